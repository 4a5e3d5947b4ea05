"""The demo school: students, leavers, teachers, rooms; a reset puts it back and leaves what people made."""

from datetime import timedelta

import pytest

from accounts.models import User
from accounts.services.seed import accounts_seed
from attendance.models import Record
from core import times
from core.times import local
from demo.school import LEAVERS, attendance_reset, school_reset, students_reset
from dormitory.models import Room, RoomGender, Stay
from dormitory.services import check_in, room_add
from permissions.scope import Scope
from students.counts import counts_wrong
from students.figures import leavers
from students.models import SchoolClass, Student, StudentEvent, StudentState
from students.selectors import class_list
from students.services import students_archive

pytestmark = pytest.mark.django_db


def identities():
    return {row[0]: row for row in Student.objects.values_list("sid", "pk", "created_at", "name")}


def test_makes_a_school_of_a_year():
    assert students_reset(now=times.now()) == "写入 200 名学员，6 个班"
    assert Student.objects.count() == 200
    assert class_list() == ["H51901", "H51902", "H51903", "H51904", "H51905", "H51906"]
    assert len({f"{day:%Y-%m}" for day in Student.objects.values_list("created_at", flat=True)}) >= 12


def test_a_reset_keeps_the_id_of_who_is_here_and_brings_back_who_was_deleted_or_archived():
    now = times.now()
    students_reset(now=now)
    before = identities()
    Student.objects.filter(sid="DEMO00000001").update(name="改名", age=99)
    Student.objects.filter(sid="WWLN97178546").delete()
    students_archive(pks=[Student.objects.get(sid="DEMO00000003").pk], actor_pk=None, now=now)
    mine = Student.objects.create(name="我的学员", age=21, class_name="H51901")

    students_reset(now=now + timedelta(days=3))

    after = identities()
    assert after.pop(mine.sid) and before.keys() == after.keys()
    assert before.pop("WWLN97178546")[2:] == after.pop("WWLN97178546")[2:]
    assert after == before and counts_wrong() == []


@pytest.fixture
def school(roles, settings, tmp_path):
    settings.STATE_DIR, settings.ROOT_PASSWORD = tmp_path, "a-root-password"
    accounts_seed()
    students_reset(now=times.now())
    school_reset(now=times.now())


def counts():
    models = [Room, Stay, StudentEvent]
    return [*(model.objects.count() for model in models), Student.objects.exclude(state=StudentState.STUDYING).count()]


@pytest.mark.usefixtures("school")
def test_has_leavers_teachers_and_students_in_beds_and_who_has_left_is_on_no_list_of_attendance():
    today = local(times.now()).date()
    assert Student.objects.exclude(state=StudentState.STUDYING).count() == len(LEAVERS) == StudentEvent.objects.count()
    assert sum(leavers("month", today - timedelta(days=360), today).values()) == 5  # 休学 is no leaving
    assert SchoolClass.objects.exclude(head_teacher=None).count() == 6
    assert Stay.objects.filter(ends_at=None).count() == 26 and Stay.objects.exclude(ends_at=None).count() == 3

    attendance_reset(now=times.now())

    records = Record.objects.exclude(student__state=StudentState.STUDYING).select_related("session", "student")
    assert records.exists() and all(record.session.date < record.student.state_on for record in records)


@pytest.mark.usefixtures("school")
def test_a_reset_puts_it_back_and_leaves_what_people_made():
    now, before = times.now(), counts()
    scope = Scope(user_pk=User.objects.get(username="zhuguan").pk)
    room = room_add(building="演示楼", name="999", beds=2, gender=RoomGender.ANY, scope=scope)
    free = Student.objects.get(sid="DEMO00000100")
    check_in(sid=free.sid, room_pk=room.pk, now=now)
    Stay.objects.filter(student__sid="DEMO00000010").update(ends_at=now)
    Student.objects.filter(sid="DEMO00000005").update(state=StudentState.STUDYING)
    SchoolClass.objects.update(head_teacher=None)

    students_reset(now=now)
    school_reset(now=now)

    own = [1, 1, 0, 0]
    assert counts() == [number + more for number, more in zip(before, own, strict=True)]
    assert SchoolClass.objects.filter(head_teacher=None).count() == 0
    trainee = Student.objects.get(account__username="yuangong")
    assert (trainee.class_name, trainee.state) == ("H51901", StudentState.STUDYING)  # the class of the course
