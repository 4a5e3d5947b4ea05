"""Teachers of the demo classes, a student with a demo account, and rooms with demo students in beds.

Nobody has entered the rooms (``created_by``), by which a reset tells them from those of people.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from auditlog.context import disable_auditlog

from accounts.models import User
from core.times import local
from demo.students import OF_THE_YEAR, SID_OF_THE_DOCUMENT, SID_START
from dormitory.errors import HasBed
from dormitory.models import Room, RoomGender, Stay
from dormitory.services import check_in, check_out, room_add
from students.classes import classes_add
from students.models import SchoolClass, Student, StudentState

HEAD_TEACHERS, STUDENT_ACCOUNT = ["lbw", "zhuguan"], "yuangong"
BUILDING, ROOMS, BEDS = "演示楼", ["101", "102", "103", "201", "202", "203"], 6
IN_BEDS, MOVED_OUT = 26, 3  # students; those who moved out are beside those in beds


def school_seed(*, now: datetime) -> str:
    """Make it, unless there is a room or a class with a teacher."""
    if Room.objects.exists() or SchoolClass.objects.exclude(head_teacher=None).exists():
        return "已有班主任或宿舍，保持不变"
    return school_reset(now=now)


@disable_auditlog()
def school_reset(*, now: datetime) -> str:
    """Put it back as it was. Rooms and stays that people have made stay."""
    teachers = _classes(now)
    _give_account()
    Stay.objects.filter(room__in=_rooms()).delete()
    _rooms().delete()
    return f"班主任 {teachers} 名，宿舍 {_fill_rooms(now)} 间"


def _rooms() -> Any:
    return Room.objects.filter(building=BUILDING, name__in=ROOMS, created_by=None)


def _classes(now: datetime) -> int:
    classes_add(list(OF_THE_YEAR))
    teachers = dict(User.objects.filter(username__in=HEAD_TEACHERS).values_list("username", "pk"))
    for number, name in enumerate(OF_THE_YEAR):
        SchoolClass.objects.filter(name=name).update(
            head_teacher=teachers.get(HEAD_TEACHERS[number % len(HEAD_TEACHERS)]),
            begins_on=local(now).date() - timedelta(days=360),
            room=f"{number + 1}01 教室",
            capacity=50,
            campus="重庆",
        )
    return len(teachers)


def _give_account() -> None:
    """Let a demo account that is no member of staff belong to a student, so that it can sign in a session."""
    user = User.objects.filter(username=STUDENT_ACCOUNT).first()
    if user and not Student.objects.filter(account=user).exists():
        Student.objects.filter(sid=SID_OF_THE_DOCUMENT, account=None).update(account=user)


def _fill_rooms(now: datetime) -> int:
    """Check in the first students, each on another day of the last months; the first few have moved out again."""
    rooms = [room_add(building=BUILDING, name=name, beds=BEDS, gender=RoomGender.ANY) for name in ROOMS]
    studying = Student.objects.filter(sid__startswith=SID_START, state=StudentState.STUDYING).order_by("pk")
    for number, sid in enumerate(studying.values_list("sid", flat=True)[: IN_BEDS + MOVED_OUT]):
        with suppress(HasBed):  # in a room of a trainee's own
            check_in(sid=sid, room_pk=rooms[number // BEDS].pk, now=now - timedelta(days=100 - number))
            if number < MOVED_OUT:
                check_out(sid=sid, now=now - timedelta(days=20 + number))
    return len(rooms)
