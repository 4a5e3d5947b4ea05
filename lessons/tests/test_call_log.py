"""The stream of an account's calls: what is kept, for how long, whose it is, and who may read it."""

from datetime import timedelta

import pytest
import redis
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.test_scan_login import Screen
from accounts.tokens import token_issue
from conftest import ApiClient
from core.cache import valkey
from lessons import call_log
from lessons.call_log import KEPT, KEPT_S, calls_of
from lessons.models import Done
from lessons.tasks import keep_progress
from permissions.gate import read_only_set
from sockets import sessions
from students.models import SchoolClass, Student
from students.tests.factories import FIELDS
from tests.kit import logged_in

pytestmark = pytest.mark.django_db
LIST, SEARCH = "/students/getstulist", "/students/searchstu"
CONTROL, BOARD = "/sandbox/control/", "/admin/classroom/H5/?format=rows"
FIELDS_TOLD = {
    *("time", "method", "path", "query", "http", "status", "code", "ms", "bytes", "token"),
    *("switch", "read_only", "hint", "guessed"),
}


@pytest.fixture
def trainee(person):
    return person("h5-01", "102", class_name="H5", nickname="王小明")


def calls(client):
    return calls_of([client.user])[client.user.pk]


def told(client, what, **query):
    answer = client.get(f"{CONTROL}{what}", **query)
    assert answer.status_code == 200, answer.content
    return answer.json()[what]


def test_a_call_is_kept_without_anything_of_token_and_values(trainee):
    trainee.get(SEARCH, **{"key": "王小明", "token": "geheim", "class": "undefined"})

    [row] = told(trainee, "requests")

    assert row.keys() == FIELDS_TOLD
    assert (row["method"], row["path"], row["query"], row["http"]) == ("GET", SEARCH, ["key", "class"], 200)
    assert (row["status"], row["code"], row["guessed"], row["switch"], row["read_only"]) == (200, "", *[False] * 3)
    assert row["bytes"] > 10 and row["ms"] >= 0 and len(row["token"]) == 8
    [raw] = valkey.client().lrange(f"spms:lesson:{trainee.user.unid}", 0, -1)
    for secret in ("王小明", "geheim", token_issue(trainee.user)[:20]):
        assert secret not in raw.decode()
    assert [sign["sign"] for sign in told(trainee, "signs")] == []


def test_a_loop_of_readings_is_seen_by_get_and_by_post_and_pages_of_a_body_are_none(trainee):
    path, seen = "/order/get_order", []
    for send, name in ((trainee.get, "order_id"), (trainee.post, "order_id"), (trainee.post, "page")):
        valkey.client().delete(f"spms:lesson:{trainee.user.unid}")
        for number in range(1, 6):
            fields = {name: f"{number}"}
            send(path, **fields) if send == trainee.get else send(path, fields)
        seen.append([sign["sign"] for sign in told(trainee, "signs")])

    assert seen == [["n_plus_one"], ["n_plus_one"], []]


def test_it_is_bounded_however_a_client_writes(trainee, api):
    """3,000 calls with odd names left 403 kB, where each name became a field."""
    key = f"spms:lesson:{trainee.user.unid}"
    for number in range((KEPT + 150) // 2):
        trainee.get(f"{LIST}?" + "&".join(f"x{'长' * 40}{number}{at}=%00" for at in range(20)))
        trainee.get(f"/{'长' * 300}{number}")

    client = valkey.client()
    assert client.llen(key) < KEPT + 100
    assert client.memory_usage(key, samples=0) < (KEPT + 100) * 700
    assert 0 < client.ttl(key) <= KEPT_S
    assert len(told(trainee, "requests")) == KEPT


def test_what_fails_before_anyone_is_known_counts_too(trainee, person, api):
    trainee.get(LIST)
    api.get(LIST)  # no token
    api.get(LIST, headers={"authorization": '"altered"'})
    api.get("/api/students/getstulist")
    api.get("/favicon.ico")
    api.get("/users/getCaptcha")  # nobody's
    api.post("/pay/payResult", {})  # WeChat Pay's, not the trainee's
    api.post("/pay/notify", {})
    api.get("/admin/nothing")
    api.post("/users/login", {"username": "H5-01", "password": "wrong"})
    trainee.get("/nothing/here")
    asked = [api.http.options(LIST, headers={"authorization": token}) for token in (trainee.token, '"altered"')]

    rows = [(row["path"], row["code"], row["http"], row["guessed"]) for row in told(trainee, "requests")]

    assert rows == [
        ("/nothing/here", "", 404, False),
        ("/users/login", "", 200, False),
        ("/api/students/getstulist", "", 404, True),
        (LIST, "1004", 200, True),
        (LIST, "10022", 200, True),
        (LIST, "", 200, False),
    ]
    assert "/students" not in str(calls(person("other")))
    assert [answer.status_code for answer in asked] == [200, 200], "OPTIONS asks for no login, and is no call"


def test_at_an_address_that_two_use_nobody_is_blamed_for_a_guess_nor_for_a_namesake(trainee, person, api):
    other = person("h5-02", "102", class_name="H5", nickname=trainee.user.nickname)
    for who in (other, trainee):
        who.get(LIST)
    for _ in range(3):
        api.get("/api/nothing")

    assert [row["guessed"] for row in told(trainee, "requests")] == [True, True, True, False]
    assert told(trainee, "signs") == [] and len(told(other, "requests")) == 1


def test_whoever_shares_the_address_or_knows_the_name_pushes_no_call_out_of_anothers_list(trainee, api):
    trainee.get(LIST)

    for _ in range(60):
        api.get("/api/nothing")
    answers = [api.post("/users/login", {"username": "h5-01", "password": f"wrong{n}"}).status_code for n in range(40)]

    paths = [call.path for call in calls(trainee)]
    assert answers[-1] == 429 and paths.count("/users/login") == answers.count(200)
    assert (paths[0], paths.count("/api/nothing")) == (LIST, 20)
    assert [sign["sign"] for sign in told(trainee, "signs")] == ["wrong_path"]


def test_refusals_of_a_switch_and_of_read_only_hours_are_marked(trainee):
    trainee.post("/sandbox/control/calls", {"answer": "503", "calls": [LIST]})
    read_only_set("H5", ends_at=timezone.now() + timedelta(minutes=5), now=timezone.now())

    trainee.get(LIST)
    trainee.get("/students/delstu?sId=WWLN00000000")
    trainee.get("/students/delstu")

    marks = [(row["switch"], row["read_only"]) for row in told(trainee, "requests")]
    assert marks == [(False, True), (False, True), (True, False)]
    assert not any(call.is_own_refusal for call in calls(trainee))


def test_a_refusal_that_is_cut_says_so(trainee):
    trainee.post("/students/addstu", {"nam": "x"})

    [call] = calls(trainee)

    assert len(call.msg) == 60 and call.msg.startswith("缺少参数: class, name") and call.msg.endswith("…")


def test_signs_are_found_in_real_calls(trainee):
    for end in range(1, 5):
        trainee.get(SEARCH, key="王小明明"[:end])
    Student.objects.bulk_create(
        Student(sid=f"A{n}", name="王", age=20, class_name="H1", city="x", degree="y") for n in range(101)
    )
    trainee.get(LIST)
    trainee.get(LIST, page=1, count=200)
    for _ in range(2):
        trainee.post("/students/addstu", FIELDS)
    for number in range(3):
        trainee.get(f"/api/{number}")
    picture = SimpleUploadedFile("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + b"\0\0\x08\0\0\0\0\x10" + b"\0" * 8)
    trainee.post("/upload/uploadImg", {"file": picture}, format="multipart")

    found = {sign["sign"]: sign for sign in told(trainee, "signs")}

    assert found.keys() == {"no_debounce", "no_paging", "double_submit", "wrong_path", "heavy_upload"}
    assert [one["path"] for one in found["double_submit"]["calls"]] == ["/students/addstu"] * 2
    assert found["no_paging"]["times"] == 1


def test_a_key_twice_is_no_double_submit(trainee):
    for _ in range(2):
        trainee.post("/students/addstu", FIELDS, headers={"idempotency-key": "k1"})

    assert told(trainee, "signs") == []
    assert {row["checkpoint"] for row in told(trainee, "checkpoints") if row["done"]} == {"add", "idempotent"}


def test_an_ended_token_and_a_spent_refresh(trainee, api):
    login = {"username": "h5-01", "password": "a-password", "refresh": 1}
    body = api.post("/users/login", login).json()
    owner = ApiClient(body["token"], trainee.user)
    owner.get("/users/sigout")
    owner.get(LIST)
    fresh = api.post("/users/login", login).json()
    for _ in range(2):
        api.post("/users/refresh", {"refresh": fresh["refresh"]})

    reached = {row["checkpoint"] for row in told(trainee, "checkpoints") if row["done"]}
    assert reached == {"login", "refresh", "token_end"}
    [sign] = told(trainee, "signs")
    assert (sign["sign"], [call["path"] for call in sign["calls"]]) == ("ended_token", ["/users/refresh"] * 2)


def test_a_checkpoint_stays_when_its_calls_are_gone(trainee):
    trainee.get(LIST)
    for _ in range(KEPT + 100):
        trainee.get("/cart/get_cart")

    assert LIST not in {call.path for call in calls(trainee)}
    [row] = [row for row in told(trainee, "checkpoints") if row["checkpoint"] == "list"]
    assert row["done"] and row["missing"] == "" and row["calls"][0]["path"] == LIST


def test_the_task_keeps_what_nobody_has_looked_at(trainee):
    trainee.get(LIST)

    keep_progress()
    keep_progress()

    assert list(Done.objects.values_list("user", "checkpoint")) == [(trainee.user.pk, "list")]


@pytest.fixture
def teacher(person, roles):
    roles["103"].permissions.add(Permission.objects.get(codename="teach"))
    client = person("teacher", "103", is_staff=True)
    SchoolClass.objects.create(name="H5").teachers.add(client.user)
    return client


def test_a_teacher_reads_and_chooses_for_the_own_class_alone(teacher, trainee, person):
    other = person("h6-01", "102", class_name="H6")
    boss = person("boss", "102", class_name="H5", is_staff=True)
    for one in (trainee, other, boss):
        one.get(LIST)

    def status(client, what, **query):
        return client.get(f"{CONTROL}{what}", **query).status_code

    unid = trainee.user.unid
    for what in ("requests", "signs", "checkpoints"):
        statuses = [
            status(teacher, what, class_name="H5"),
            status(teacher, what, unid=unid),
            *(status(teacher, what, **names) for names in ({"class_name": "H6"}, {"class_name": "none"})),
            *(status(teacher, what, unid=one) for one in (other.user.unid, boss.user.unid, "0" * 32)),
            *(status(trainee, what, **names) for names in ({"class_name": "H5"}, {"unid": other.user.unid})),
            status(ApiClient(), what),
        ]
        assert statuses == [200, 200, 404, 404, 404, 404, 404, 403, 403, 403]
    assert {row["unid"] for row in told(teacher, "requests", class_name="H5")} == {unid}

    chosen = {"class_name": "H5", "checkpoints": ["list", "paging", "list"], "until": "2026-12-31"}
    answer = teacher.post(f"{CONTROL}checkpoints", chosen)
    assert answer.json() == chosen | {"checkpoints": ["list", "paging"]}
    rows = told(trainee, "checkpoints")
    assert [(row["checkpoint"], row["name"], row["done"]) for row in rows] == [
        ("list", "列表", True),
        ("paging", "分页", False),
    ]
    assert rows[1]["missing"] and rows[1]["at"] is None and rows[1]["calls"] == []


def test_a_large_class_takes_no_more_queries(teacher, trainee, person):
    browser = logged_in(teacher.user)

    def numbers():
        found = []
        for path in (*(f"{CONTROL}{what}?class_name=H5" for what in ("requests", "signs", "checkpoints")), BOARD):
            client = browser if path == BOARD else teacher.http
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(path, headers={"authorization": teacher.token})
            assert answer.status_code == 200
            found.append(len(queries))
        return found

    trainee.get(LIST)
    numbers()
    few = numbers()
    for number in range(2, 6):
        person(f"h5-0{number}", "102", class_name="H5").get(LIST)
    numbers()

    assert numbers() == few and max(few) < 20


def test_a_bad_choice_is_refused(teacher, trainee):
    def status(**fields):
        return teacher.post(f"{CONTROL}checkpoints", {"checkpoints": ["list"]} | fields).status_code

    for fields in ({"checkpoints": ["none"]}, {"checkpoints": "list"}, {"until": "soon"}, {"until": 5}):
        assert status(class_name="H5", **fields) == 400, fields
    assert [status(), status(class_name="H6"), status(class_name="\x00", checkpoints=[[]])] == [404] * 3


def test_a_call_costs_two_questions_to_valkey(trainee, monkeypatch):
    asked, client = [], valkey.client()
    monkeypatch.setattr(call_log, "progress_update", lambda *_, **__: asked.append("a look"))
    real = client.execute_command
    monkeypatch.setattr(client, "execute_command", lambda *args, **more: asked.append(args[0]) or real(*args, **more))

    trainee.get("/cart/get_cart")

    assert asked == ["MGET", "EVAL"]  # the switch, and the stream


def test_a_page_hears_of_the_next_call_once_each_time_that_it_asks(teacher, trainee, person):
    other, board, own = person("h5-02", "102", class_name="H5"), Screen(), Screen()
    browser = logged_in(teacher.user)

    def heard(*clients):
        for client in clients:
            client.get(LIST)
        news = [page.events for page in (board, own)]
        for page in (board, own):
            page.taken.clear()
        return [[name for name, _ in events] for events in news]

    def ask():
        assert browser.get(f"{BOARD}&sid={board.sid}").status_code == 200
        told(trainee, "requests", sid=own.sid)

    ask()
    assert heard() == [[], []]
    assert heard(other, trainee, other) == [["lessonNews"], ["lessonNews"]]
    assert heard(trainee, other) == [[], []]
    ask()
    assert heard(other, person("elsewhere")) == [["lessonNews"], []]
    own.leave()
    trainee.get(LIST)
    assert valkey.client().keys(f"spms:sio:?:{own.sid}") == []
    told(trainee, "requests", sid="a b")
    for _ in range(30):
        told(trainee, "requests", sid=sessions.new_sid())
    assert valkey.client().zcard(f"spms:lesson-pages:{trainee.user.unid}") == call_log.MAX_PAGES


def test_a_call_without_valkey_is_answered_and_missing_in_the_list(trainee, monkeypatch, caplog):
    caplog.set_level("WARNING")
    trainee.get(LIST)
    with monkeypatch.context() as frozen:
        frozen.setattr(valkey.client(), "_resting_until", float("inf"))
        assert trainee.get("/students/getclasses").json()["state"] is True
    trainee.get("/cart/get_cart")

    assert [call.path for call in calls(trainee)] == [LIST, "/cart/get_cart"]
    assert "not noted" not in caplog.text  # a line for each call would fill the log


def test_a_board_is_shown_without_valkey(teacher, trainee, monkeypatch):
    browser, sid = logged_in(teacher.user), sessions.new_sid()
    pool = redis.ConnectionPool.from_url("redis://127.0.0.1:9")
    monkeypatch.setattr(valkey, "REST_S", 0)  # the next test is not to find it at rest
    monkeypatch.setattr(valkey.client(), "connection_pool", pool)

    assert [browser.get(f"{BOARD}{more}").status_code for more in ("", f"&sid={sid}")] == [200, 200]
