"""Two requests at the same instant, over real connections."""

from contextlib import nullcontext

import pytest
from django.db import IntegrityError
from django.utils import timezone

from dormitory import services
from dormitory.errors import RoomFull
from dormitory.models import Room, Stay
from students.models import Student
from students.services import students_archive
from students.tests.factories import students
from tests.kit import at_once, meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room():
    return services.room_add(building="1号楼", name="101", beds=1, gender="不限")


def check_in(student, room):
    return services.check_in(sid=student.sid, room_pk=room.pk, now=timezone.now())


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_two_who_want_the_last_bed_get_it_once(monkeypatch, room, is_locked):
    """Without the lock of the room the constraint alone would be a 500."""
    tan, wang = students("谭鹏", "王芳")
    if not is_locked:
        monkeypatch.setattr(services, "_lock_room", lambda pk, scope: Room.objects.get(pk=pk))
    late = meanwhile(monkeypatch, "dormitory.services._stay", lambda: check_in(wang, room))

    with nullcontext() if is_locked else pytest.raises(IntegrityError, match="stay_once_in_bed"):
        check_in(tan, room)

    assert isinstance(late(), RoomFull if is_locked else Stay)
    assert Stay.objects.get().name == ("谭鹏" if is_locked else "王芳")


def test_one_student_in_two_rooms_at_once_gets_one_bed(dorm, room):
    other = services.room_add(building="1号楼", name="102", beds=1, gender="不限")
    [tan] = students("谭鹏")

    answers = at_once([lambda r=r: dorm("checkIn", sId=tan.sid, room_id=r.pk)["msg"] for r in (room, other)])

    assert sorted(answers) == ["入住成功", "该学员已有床位"]


def test_one_room_added_twice_is_there_once(dorm):
    add = lambda: dorm("addRoom", building="1号楼", room="101", beds=2)["msg"]  # noqa: E731

    assert sorted(at_once([add, add])) == ["添加成功", "该房间已存在"]


def test_who_moves_into_a_room_that_is_cleared_goes_with_it(monkeypatch, person, room):
    teacher = person("teacher", "102").user
    Room.objects.update(created_by=teacher)
    clear = meanwhile(monkeypatch, "dormitory.services._stay", lambda: services.rooms_clear(user_pks=[teacher.pk]))

    check_in(*students("谭鹏"), room)

    assert clear() == 1 and not Room.objects.exists() and not Stay.objects.exists()


def test_who_is_archived_while_moving_in_has_no_bed(monkeypatch, room):
    [tan] = students("谭鹏")
    archive = meanwhile(
        monkeypatch,
        "dormitory.services._stay",
        lambda: students_archive(pks=[tan.pk], actor_pk=None, now=timezone.now()),
    )

    check_in(tan, room)

    assert archive() and not Student.objects.exists()
    assert not Stay.objects.filter(ends_at=None).exists() and Stay.objects.get().is_interrupted


@pytest.mark.parametrize("leave", ["checkOut", "move", "archive"])
def test_who_leaves_with_a_request_that_began_before_he_moved_in_has_left(room, leave):
    """The request that came first waited for the student's row, and each reads the clock as it begins."""
    earlier, [tan] = timezone.now(), students("谭鹏")
    stay = check_in(tan, room)

    match leave:
        case "checkOut":
            services.check_out(sid=tan.sid, now=earlier)
        case "move":
            other = services.room_add(building="1号楼", name="102", beds=1, gender="不限")
            services.check_in(sid=tan.sid, room_pk=other.pk, now=earlier, moves=True)
        case "archive":
            students_archive(pks=[tan.pk], actor_pk=None, now=earlier)

    stay.refresh_from_db()
    assert stay.ends_at == stay.begins_at
