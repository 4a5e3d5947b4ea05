"""The line on every page of a practice server: nobody's money moves here."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

TEXT = "练习服务器，不会真的扣款"
_LINE = (
    '<p style="position:fixed;z-index:9999;bottom:0;left:50%;transform:translateX(-50%);margin:0;padding:2px 12px;'
    "border-radius:6px 6px 0 0;background:#92400e;color:#fff;font:13px/1.5 sans-serif;white-space:nowrap;"
    f'pointer-events:none">{TEXT}</p>'
).encode()
_END = b"</body>"


class PracticeLineMiddleware:
    """Write the line at the end of each page, whichever template it has."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html") and not response.streaming:
            head, end, rest = response.content.rpartition(_END)
            if end:
                response.content = head + _LINE + end + rest
                if "Content-Length" in response:
                    response["Content-Length"] = str(len(response.content))
        return response
