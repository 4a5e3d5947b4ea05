"""Teachers of the demo classes, a student with a demo account, and rooms with demo students in beds.

Nobody has entered the rooms (``created_by``), by which a reset tells them from those of people.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from auditlog.context import disable_auditlog

from accounts.models import User
from core.times import local
from demo.students import CLASSES, SID_OF_THE_DOCUMENT, SID_START
from dormitory.errors import HasBed
from dormitory.models import Room, RoomGender, Stay
from dormitory.services import check_in, check_out, room_add
from students.classes import classes_add
from students.models import SchoolClass, Student, StudentState

HEAD_TEACHERS, STUDENT_ACCOUNT = ["lbw", "zhuguan"], "yuangong"
BUILDING, ROOMS, BEDS = "演示楼", ["101", "102", "103", "201", "202", "203"], 6
IN_BEDS, MOVED_OUT = 26, 3  # students; those who moved out are beside those in beds


@disable_auditlog()
def school_reset(*, now: datetime) -> str:
    """Put it back as it was. Rooms and stays that people have made stay."""
    classes_add(list(CLASSES))
    users = {user.username: user for user in User.objects.filter(username__in=[*HEAD_TEACHERS, STUDENT_ACCOUNT])}
    for number, name in enumerate(CLASSES):
        SchoolClass.objects.filter(name=name).update(
            head_teacher=users.get(HEAD_TEACHERS[number % 2]),
            begins_on=local(now).date() - timedelta(days=360),
            room=f"{number + 1}01 教室",
            capacity=50,
            campus="重庆",
        )
    # A demo account that is no member of staff belongs to a student, so that it can sign in a session.
    account = users.get(STUDENT_ACCOUNT)
    if account and not Student.objects.filter(account=account).exists():
        Student.objects.filter(sid=SID_OF_THE_DOCUMENT, account=None).update(account=account)
    old = Room.objects.filter(building=BUILDING, name__in=ROOMS, created_by=None)
    Stay.objects.filter(room__in=old).delete()
    old.delete()
    _fill_rooms(now)
    return f"写入 {len(CLASSES)} 个班的班主任，宿舍 {len(ROOMS)} 间"


def _fill_rooms(now: datetime) -> None:
    """Check in the first students, each on another day of the last months; the first few have moved out again."""
    rooms = [room_add(building=BUILDING, name=name, beds=BEDS, gender=RoomGender.ANY) for name in ROOMS]
    studying = Student.objects.filter(sid__startswith=SID_START, state=StudentState.STUDYING).order_by("pk")
    for number, sid in enumerate(studying.values_list("sid", flat=True)[: IN_BEDS + MOVED_OUT]):
        with suppress(HasBed):  # in a room of a trainee's own
            check_in(sid=sid, room_pk=rooms[number // BEDS].pk, now=now - timedelta(days=100 - number))
            if number < MOVED_OUT:
                check_out(sid=sid, now=now - timedelta(days=20 + number))
