"""Requests at the same instant, over real connections, and what the lock of the session is for."""

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from accounts.tests.test_scan_login import Screen
from attendance import services
from attendance.errors import AlreadySigned, CodeExpired
from attendance.models import Period, Record, Session, Status
from attendance.tests.test_admin import grid
from permissions.scope import Scope
from students.class_steps import class_facts, class_merge, class_rename
from students.classes import class_get
from students.errors import ClassUnknown
from students.models import SchoolClass, Student, TransferRun
from students.tests.factories import students
from students.tests.transfers import undone
from tests.kit import at_once, meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def sign(session, who, device=""):
    now = timezone.now()
    return services.session_sign(pk=session.pk, user_pk=who.user.pk, device=device, at=now, now=now)


@pytest.fixture(params=[True, False], ids=["locked", "twin"])
def is_locked(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(Scope, "lock", lambda self, rows, missing: rows.get())
    return request.param


def test_two_signs_of_one_student_make_one(monkeypatch, session, trainee, is_locked):
    tan, now = trainee("谭鹏"), session()
    late = meanwhile(monkeypatch, "attendance.services._tell", lambda: sign(now, tan))

    sign(now, tan)

    assert isinstance(late(), AlreadySigned) is is_locked


def test_a_sign_while_a_teacher_saves_the_grid_stays_and_is_named(office, session, trainee, monkeypatch):
    tan = trainee("谭鹏")
    now, lock, signs = session(), Scope.lock, [lambda: sign(now, tan)]

    def lock_after_the_sign(self, *args):
        if signs:
            signs.pop()()
        return lock(self, *args)

    monkeypatch.setattr(Scope, "lock", lock_after_the_sign)

    assert grid(office, now, 谭鹏=3) == ["刚才有变化，没有修改：谭鹏（出勤）。请核对后再改"]
    assert Record.objects.get().status == Status.PRESENT


def test_forty_sign_within_ten_seconds_and_the_screen_hears_each(attend, trainee):
    people = [trainee(f"学员{number}") for number in range(40)]
    pk, screen = attend("open", class_="H51901")["attendance_id"], Screen()
    code = attend("getCode", attendance_id=pk, sid=screen.sid)["code"]
    begun = time.process_time()

    def sign_by_call(who):
        try:
            return attend("sign", who, code=code)["msg"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(sign_by_call, people))

    assert answers == ["签到成功"] * 40 and time.process_time() - begun < 10
    signs = [data for name, data in screen.events if name == "attendanceSigned"]
    assert [data["signed"] for data in signs] == list(range(1, 41))
    assert {data["name"] for data in signs} == {f"学员{number}" for number in range(40)}


def test_of_two_who_share_a_device_one_is_flagged(monkeypatch, session, trainee, is_locked):
    tan, wang = trainee("谭鹏"), trainee("王芳")
    now = session()
    late = meanwhile(monkeypatch, "attendance.services._tell", lambda: sign(now, wang, "phone"))
    monkeypatch.setattr(services.screens, "screens_tell", lambda *_: None)

    sign(now, tan, "phone")

    assert late().is_same_device is is_locked


def test_a_sign_that_read_the_clock_before_the_close_is_refused(session, trainee):
    tan, now = trainee("谭鹏"), session()
    before = timezone.now()
    services.session_close(pk=now.pk, now=timezone.now())

    with pytest.raises(CodeExpired):
        services.session_sign(pk=now.pk, user_pk=tan.user.pk, device="", at=before, now=before)


def test_a_close_waits_for_the_sign_that_has_begun(monkeypatch, session, trainee, is_locked):
    tan, now, heard = trainee("谭鹏"), session(), []
    monkeypatch.setattr(services.screens, "screens_tell", lambda *_: heard.append("signed"))
    monkeypatch.setattr(services.screens, "screens_end", lambda pk: heard.append("closed"))
    close = meanwhile(
        monkeypatch, "attendance.services.sha256", lambda: services.session_close(pk=now.pk, now=timezone.now())
    )
    sign(now, tan, "phone")
    close()
    assert heard == (["signed", "closed"] if is_locked else ["closed", "signed"])
    assert Session.objects.get().closed_at and Record.objects.get().status == Status.PRESENT


def test_a_session_is_cleared_after_the_sign_that_has_begun(monkeypatch, session, trainee, person):
    tan, now, teacher = trainee("谭鹏"), session(), person("clears", "102").user
    Session.objects.update(created_by=teacher)
    clear = meanwhile(monkeypatch, "attendance.services.sha256", lambda: services.sessions_clear(user_pks=[teacher.pk]))

    assert sign(now, tan, "phone").status == Status.PRESENT

    assert clear() == 1 and not Session.objects.exists()


def test_a_session_opened_twice_is_there_once(attend):
    students("谭鹏")
    works = [lambda: attend("open", class_="H51901")] * 3

    answers = at_once(works)

    assert sorted(answer["status"] for answer in answers) == [200, 1004, 1004]
    assert len({answer["attendance_id"] for answer in answers}) == 1


def renamed(before="H51901", after="H52001", step=class_rename):
    return step(before=before, after=after, mark=class_facts(before).mark, user_pk=None, now=timezone.now())


@pytest.mark.parametrize("is_class_locked", [True, False], ids=["locked", "twin"])
def test_a_class_renamed_while_a_session_opens_keeps_it(monkeypatch, session, is_class_locked):
    students("谭鹏")
    if not is_class_locked:
        rows = SchoolClass.objects
        unlocked = SimpleNamespace(select_for_update=lambda **_: rows, filter=rows.filter)
        monkeypatch.setattr(services, "SchoolClass", SimpleNamespace(objects=unlocked))
    rename = meanwhile(monkeypatch, "attendance.services.class_roster", renamed)

    session()

    assert isinstance(rename(), TransferRun) and Student.objects.get().class_name == "H52001"
    assert Session.objects.get().class_name == ("H52001" if is_class_locked else "H51901")


def test_a_session_opened_while_its_class_is_renamed_finds_none(monkeypatch, session):
    students("谭鹏")
    class_get("H51901")
    open_ = meanwhile(monkeypatch, "students.recorded_changes.tell_renamed", session)

    renamed()

    assert isinstance(open_(), ClassUnknown)
    assert not Session.objects.exists()


def test_a_renamed_class_takes_its_sessions_along_and_back(attend, session, trainee):
    tan = trainee("谭鹏")
    now, closed = session(), session(period=Period.EVENING)
    services.session_close(pk=closed.pk, now=timezone.now())

    run = renamed()
    assert attend("sign", tan, code=attend("getCode", attendance_id=now.pk)["code"])["state"] is True
    assert {row["class"] for row in attend("getList")["data"]} == {"H52001"}
    assert attend("open", class_="H52001", period="上午")["status"] == 1004

    undone(run)
    assert {row["class"] for row in attend("getList")["data"]} == {"H51901"}


def test_a_merged_class_takes_open_sessions_along_where_there_is_room(session):
    students("谭鹏")
    students("王芳", class_name="H52001")
    closed, moved, stays = (session(period=period) for period in Period)
    session("H52001", period=Period.EVENING)
    services.session_close(pk=closed.pk, now=timezone.now())

    run = renamed(step=class_merge)
    names = [Session.objects.get(pk=one.pk).class_name for one in (closed, moved, stays)]
    assert names == ["H51901", "H52001", "H51901"]

    undone(run)
    assert Session.objects.filter(class_name="H51901").count() == 3
