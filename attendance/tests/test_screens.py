"""The sockets that show a session: codes every 5 s, signs, the end; and what if something is dead."""

import pytest
from django.utils import timezone

from accounts.tests.test_scan_login import Screen
from attendance import screens, services
from attendance.models import Session
from core import times
from core.cache import valkey
from students.tests.factories import students

pytestmark = pytest.mark.django_db


@pytest.fixture
def watch(attend):
    def begin(pk):
        screen = Screen()
        assert attend("getCode", attendance_id=pk, sid=screen.sid)["state"] is True
        return screen

    return begin


def heard(screen):
    """Return what has come since the last question: names and data of events."""
    before = len(screen.taken)
    return [tuple(event) for event in screen.events[before:]]


def test_a_screen_gets_a_code_every_five_seconds_and_each_works(attend, trainee, clock, watch):
    people = [trainee(name) for name in "一二三四"]
    pk = attend("open", class_="H51901")["attendance_id"]
    screen = watch(pk)

    gaps, since = [], 0
    for who in people:
        while not (events := heard(screen)):
            clock(2)
            since += 2
            services.codes_send(now=times.now())
        [(name, data)] = events
        gaps.append(since)
        since = 0
        assert (name, data["state"], data["expires_in"]) == ("attendanceCode", True, 10)
        assert data["signUrl"] == f"http://testserver/attendance/sign?code={data['code']}"
        assert attend("sign", who, code=data["code"])["state"] is True
        heard(screen)

    assert gaps == [4, 6, 4, 6]


def test_every_sign_and_mark_is_heard_with_the_numbers(attend, trainee, watch):
    tan, wang = trainee("谭鹏"), students("王芳")[0]
    pk = attend("open", class_="H51901")["attendance_id"]
    first, second = watch(pk), watch(pk)

    attend("sign", tan, code=attend("getCode", attendance_id=pk)["code"])
    attend("mark", attendance_id=pk, sId=wang.sid, attendanceStatus="请假")
    attend("close", attendance_id=pk)

    events = heard(first)
    assert events == heard(second)
    assert events[0][1].pop("signTime")[:2] == "20"
    facts = {"status": 200, "state": True, "signed": 1, "total": 2}
    assert events == [
        ("attendanceSigned", facts | {"sId": tan.student.sid, "name": "谭鹏", "attendanceStatus": "出勤"}),
        ("attendanceSigned", facts | {"sId": wang.sid, "name": "王芳", "attendanceStatus": "请假", "signTime": ""}),
        ("attendanceClosed", {"status": 200, "state": True, "attendance_id": pk}),
    ]
    assert not valkey.client().keys("spms:attendance:*")


def test_a_session_that_closes_by_itself_tells_its_screens(attend, clock, watch):
    students("谭鹏")
    pk = attend("open", class_="H51901", minutes=1)["attendance_id"]
    screen = watch(pk)
    clock(61)

    for _ in range(2):
        services.sessions_close_due(now=times.now())
        services.codes_send(now=times.now())

    # The event of the close itself is lost here, as when Valkey is dead: a later sweep sends it.
    assert heard(screen) == [("attendanceClosed", {"status": 200, "state": True, "attendance_id": pk})]
    assert Session.objects.get().closed_at


def test_a_socket_hears_of_the_session_that_it_asked_for_last(attend, trainee, watch, clock):
    tan = trainee("谭鹏")
    old = attend("open", class_="H51901", period="上午")["attendance_id"]
    new = attend("open", class_="H51901", period="下午")["attendance_id"]
    screen = watch(old)
    attend("getCode", attendance_id=new, sid=screen.sid)

    attend("sign", tan, code=attend("getCode", attendance_id=old)["code"])
    attend("close", attendance_id=old)
    clock(5)
    services.codes_send(now=times.now())

    assert [name for name, _ in heard(screen)] == ["attendanceCode"]


def test_two_sweeps_that_have_read_the_same_send_one_code(attend, watch, clock, monkeypatch):
    students("谭鹏")
    screen = watch(attend("open", class_="H51901")["attendance_id"])
    clock(5)
    client = valkey.client()
    same = client.zrangebyscore("spms:attendance:due", "-inf", "+inf", withscores=True)
    monkeypatch.setattr(client, "zrangebyscore", lambda *_, **__: same)

    due = [one.sid for _ in range(2) for one in screens.screens_due(times.now())]

    assert due == [screen.sid]


def test_only_so_many_screens_cost_a_sign_something_and_who_has_left_is_forgotten(attend, trainee, watch, monkeypatch):
    monkeypatch.setattr(screens, "MAX_SCREENS", 2)
    tan = trainee("谭鹏")
    pk = attend("open", class_="H51901")["attendance_id"]

    shown = [watch(pk) for _ in range(4)]
    assert valkey.client().zcard("spms:attendance:due") == 2
    for screen in shown:
        screen.leave()
    attend("sign", tan, code=attend("getCode", attendance_id=pk)["code"])

    assert not valkey.client().keys("spms:attendance:*")


def test_signs_are_taken_while_valkey_is_dead(attend, trainee, valkey_down):
    tan = trainee("谭鹏")
    pk = attend("open", class_="H51901")["attendance_id"]

    assert attend("sign", tan, code=attend("getCode", attendance_id=pk)["code"])["state"] is True

    services.session_close(pk=int(pk), now=timezone.now())
