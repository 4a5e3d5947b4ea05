"""Switches on the caller's own calls."""

import asyncio

import pytest

from accounts.models import User
from accounts.tests.entering import PASSWORD
from conftest import ApiClient
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


def test_a_switch_is_for_the_chosen_calls_and_ends_when_turned_off(lbw, client):
    turn(lbw, answer="500", calls=["/Students/getstulist/"])

    assert "<option>500</option>" in client.get("/sandbox/calls/").content.decode()
    assert [lbw.get(path).status_code for path in (LIST, "/verify")] == [500, 200]
    assert turn(lbw, off=True) == (200, {"switches": []})
    assert lbw.get(LIST).status_code == 200
    turn(lbw, answer="500", rate=0)  # of no call
    assert lbw.get(LIST).status_code == 200


def test_of_an_account_that_many_share_it_belongs_to_the_token_that_set_it(lbw, login, root, client):
    other = ApiClient(login(lbw.user), lbw.user)
    assert turn(lbw, answer="503", minutes=120)[0] == 200

    assert [who.get(LIST).status_code for who in (lbw, other)] == [503, 200]
    assert turn(other) and turn(other, off=True) == (200, {"switches": []})
    assert lbw.get(LIST).status_code == 503  # nobody else ends it
    client.post("/sandbox/phone/", {"username": "lbw"})
    refused = client.post("/sandbox/control/calls", {"answer": "500"}, content_type="application/json")
    assert refused.status_code == 403  # a phone of a shared account names no token
    assert turn(root, unid=lbw.user.unid, answer="500")[0] == 200  # the teacher's is for all of them
    assert [who.get(LIST).status_code for who in (lbw, other)] == [500, 500]
    assert turn(other, off=True)[0] == 403


@pytest.mark.parametrize("username", ["li", "lbw"])
def test_an_expired_token_is_cured_by_a_login_or_a_refresh_and_not_by_waiting(person, api, username):
    li = person(username, "102")

    def signed_in(**more):
        return api.post("/users/login", {"username": username, "password": PASSWORD, "refresh": 1} | more).json()

    first = signed_in()
    me = ApiClient(first["token"], li.user)
    assert turn(me, answer="expired", minutes=5)[0] == 200

    assert me.get(LIST).json()["code"] == "1004" and me.get(LIST)[HEADER]
    body = {"username": username, "password": PASSWORD}
    assert me.post("/users/login", body).json()["msg"] == "登入成功"  # the interceptor still sends the ended token
    assert ApiClient(signed_in()["token"]).get(LIST).status_code == 200
    second = me.post("/users/refresh", {"refresh": first["refresh"]}).json()
    assert second["token"] != first["token"]
    assert ApiClient(second["token"]).get(LIST).json()["status"] == 1
    assert me.get(LIST).json()["code"] == "1004"


@pytest.mark.parametrize("format", ["json", "form", "multipart"])
def test_a_token_in_the_body_is_covered_and_nothing_changes(person, format):
    li = person("li", "102")
    assert turn(li, answer="503")[0] == 200
    anonymous, body = ApiClient(), {"token": li.token, "unid": li.user.unid, "nickname": "changed"}

    answer = anonymous.post("/users/updateUser", body, format=format)

    assert (answer.status_code, HEADER in answer.headers) == (503, True)
    assert User.objects.get(username="li").nickname == ""
    turn(li, off=True)
    assert anonymous.post("/users/updateUser", body, format=format).json()["msg"] == "更新成功"


def test_paths_that_are_no_call_are_refused_and_a_call_is_meant_by_each_of_its_paths(person):
    li = person("li", "102")
    for call in ("students/getstulist", "/student/nope", "/api/students/getstulist", ""):
        status, answer = turn(li, calls=["/verify", call], answer="500")
        assert (status, answer["error"].startswith("calls")) == (400, True)
    assert li.get("/verify").status_code == 200

    calls = ["/Users/getAllUsers/", "/pay/transactions/out-trade-no/x"]
    assert turn(li, calls=calls, answer="500")[0] == 200

    paths = ("/users/getAllUers", "/users/getallusers", "/pay/transactions/out-trade-no/20261124120000000abcdefghijk")
    assert [li.get(path).status_code for path in paths] == [500, 500, 500]
    assert li.get(LIST).status_code == 200


def test_another_origin_reads_which_answers_a_switch_made(person):
    li = person("li", "102")
    turn(li, answer="503")
    answer = li.get(LIST, headers={"origin": "http://localhost:5173"})
    assert HEADER in answer["Access-Control-Expose-Headers"]


def test_only_root_sets_a_class_and_no_trainee_of_it_changes_that(root, person):
    li, wang = person("li", "102", class_name="H5"), person("wang", "102", class_name="H6")
    assert turn(li, class_name="H5", answer="500") == (
        403,
        {"error": "only the class's teacher and root see and switch others"},
    )

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
