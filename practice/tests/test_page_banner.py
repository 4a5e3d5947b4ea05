"""Every page of a practice server says that nobody pays; answers that are no page stay as they are."""

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse

from practice.page_banner import TEXT, PracticeLineMiddleware


def test_the_line_stands_at_the_end_of_a_page_and_of_nothing_else():
    page = HttpResponse("<html><body x='</body>'>好</body></html>", headers={"Content-Length": "40"})
    answers = [page, JsonResponse({"a": "</body>"}), HttpResponse("</p>"), StreamingHttpResponse([b"</body>"])]

    page, *others = [PracticeLineMiddleware(lambda request, answer=answer: answer)(None) for answer in answers]

    text = page.text
    assert text.startswith("<html><body x='</body>'>好<p ") and text.endswith(f"{TEXT}</p></body></html>")
    assert page["Content-Length"] == str(len(page.content))
    assert [b"".join(other) for other in others] == [b'{"a": "</body>"}', b"</p>", b"</body>"]
