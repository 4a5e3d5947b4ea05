"""Two requests at the same instant, over real connections."""

import pytest
from django.utils import timezone

from dormitory import services
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


def test_two_who_want_the_last_bed_get_it_once(dorm, room):
    for _ in range(5):
        people = students("谭鹏", "王芳")
        answers = at_once([lambda who=who: dorm("checkIn", sId=who.sid, room_id=room.pk)["msg"] for who in people])

        assert sorted(answers) == ["入住成功", "该房间已住满"]
        Stay.objects.all().delete()


def test_without_the_lock_the_second_of_the_last_bed_breaks(monkeypatch, room):
    """Shows what the lock of the room is for: the constraint alone would be a 500."""
    monkeypatch.setattr(services, "_lock_room", lambda pk, scope: Room.objects.get(pk=pk))
    tan, wang = students("谭鹏", "王芳")
    late = meanwhile(monkeypatch, "dormitory.services._stay", lambda: check_in(wang, room))

    with pytest.raises(Exception, match="stay_once_in_bed"):
        check_in(tan, room)

    assert late().name == "王芳"


def test_one_student_in_two_rooms_at_once_gets_one_bed(dorm, room):
    other = services.room_add(building="1号楼", name="102", beds=1, gender="不限")
    [tan] = students("谭鹏")

    answers = at_once([lambda r=r: dorm("checkIn", sId=tan.sid, room_id=r.pk)["msg"] for r in (room, other)])

    assert sorted(answers) == ["入住成功", "该学员已有床位"]


def test_one_room_added_twice_is_there_once(dorm):
    add = lambda: dorm("addRoom", building="1号楼", room="101", beds=2)["msg"]  # noqa: E731

    assert sorted(at_once([add, add])) == ["添加成功", "该房间已存在"]


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
