"""Switches on the caller's own calls."""

import asyncio

import pytest

from sandbox.switches import HEADER, MAX_DELAY_MS, with_switches

pytestmark = pytest.mark.django_db
LIST = "/students/getstulist"


def turn(who, **body):
    answer = who.post("/sandbox/control/calls", body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("answer", "http_status", "expected"),
    [
        ("500", 500, {"status": 500, "state": False}),
        ("503", 503, {"status": 503, "state": False}),
        ("429", 429, {"status": 429, "state": False}),
        ("expired", 200, {"status": 0, "code": "1004", "msg": "校验失败"}),
        ("empty", 200, {"status": 1, "state": True, "total": 0, "data": []}),
    ],
)
def test_an_answer_is_replaced_for_the_own_calls_alone(lbw, yuangong, answer, http_status, expected):
    assert turn(lbw, answer=answer, minutes=5)[0] == 200

    mine, others = lbw.get(LIST), yuangong.get(LIST)

    assert mine.status_code == http_status and mine.json().items() >= expected.items()
    assert mine[HEADER] == f"delay_ms=0; answer={answer}"
    assert others.status_code == 200 and HEADER not in others.headers


def test_a_switch_is_for_the_chosen_calls_and_on_the_page_and_ends_when_turned_off(lbw, client):
    turn(lbw, answer="500", calls=["/Students/getstulist/"])

    page = client.get("/sandbox/calls/").content.decode()
    assert "五五开（lbw）" in page and "<td>500</td>" in page
    assert [lbw.get(path).status_code for path in (LIST, "/verify")] == [500, 200]
    assert turn(lbw, off=True) == (200, {"switches": []})
    assert lbw.get(LIST).status_code == 200
    turn(lbw, answer="500", rate=0)  # of no call
    assert lbw.get(LIST).status_code == 200


def test_only_root_sets_a_class_and_no_trainee_of_it_changes_that(root, person):
    li, wang = person("li", "102", class_name="H5"), person("wang", "102", class_name="H6")
    assert turn(li, class_name="H5", answer="500") == (403, {"error": "only root sets switches of others"})

    status, body = turn(root, class_name="H5", answer="500")

    assert status == 200 and [one["unid"] for one in body["switches"]] == [li.user.unid]
    assert [who.get(LIST).status_code for who in (li, wang)] == [500, 200]
    assert turn(li, off=True)[0] == 403
    assert turn(root, class_name="H7")[0] == 404


def test_bad_values_are_refused_by_name_and_without_a_token_there_is_nothing_to_switch(lbw, api):
    bodies = [{"delay_ms": MAX_DELAY_MS + 1}, {"rate": "x"}, {"answer": "418"}, {"calls": "all"}, {"minutes": 0}]
    for body in bodies:
        status, answer = turn(lbw, **body)
        assert status == 400 and answer["error"].startswith(f"{next(iter(body))}:")
    assert turn(api, answer="500")[0] == 403


@pytest.mark.parametrize(("answer", "body"), [("real", b"12345"), ("drop", b"1")])
def test_the_answer_waits_outside_the_threads_and_is_cut_off_to_drop_it(answer, body):
    async def application(scope, receive, send):
        headers = [(b"x-sandbox-switch", f"delay_ms=30; answer={answer}".encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"12345"})

    calls = []

    async def send(message):
        calls.append((asyncio.get_running_loop().time(), message))

    async def run():
        begin = asyncio.get_running_loop().time()
        await with_switches(application)({"type": "http"}, None, send)
        return begin

    begin = asyncio.run(run())

    assert calls[0][0] - begin >= 0.03
    assert calls[1][1]["body"] == body
