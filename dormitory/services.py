"""Rooms that come, change and go; and students who move in and out.

Whoever gives a bed away locks the student first and then the room, so of two at once one gets the last bed, and no
student who is being archived gets one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, Q

from dormitory.errors import (
    BedsInUse,
    BedTaken,
    BedUnknown,
    GenderRefused,
    HasBed,
    NothingChanged,
    RecordMissing,
    RoomExists,
    RoomFull,
    RoomInUse,
)
from dormitory.models import Room, RoomGender, Stay
from permissions.scope import EVERYTHING, Scope
from students.models import Student


def room_add(*, building: str, name: str, beds: int, gender: str, scope: Scope = EVERYTHING) -> Room:
    """Add a room.

    :raises RoomExists: the building has one of this name among those that ``scope`` shows.
    """
    with _once():
        return Room.objects.create(
            building=building,
            name=name,
            beds=beds,
            gender=gender,
            created_by_id=scope.user_pk,
            is_private=scope.is_own_only,
        )


def room_update(*, pk: int, changes: dict[str, Any], scope: Scope = EVERYTHING) -> Room:
    """Change a room; ``changes`` are any of ``building``, ``name``, ``beds`` and ``gender``.

    :raises RecordMissing, RoomExists, NothingChanged: as named.
    :raises NotPermitted: ``scope`` shows the room, but does not allow changes.
    :raises BedsInUse: a bed would go in which a student is.
    :raises GenderRefused: a student is in the room whom it would no longer take.
    """
    with _once():
        room = _lock_to_change(pk, scope)
        if all(getattr(room, name) == value for name, value in changes.items()):
            raise NothingChanged
        for name, value in changes.items():
            setattr(room, name, value)
        stays = Stay.objects.filter(room=room, ends_at=None)
        highest = stays.aggregate(bed=Max("bed"))["bed"] or 0
        if highest > room.beds:
            raise BedsInUse(highest)
        others = stays.exclude(student__gender__in=["", room.gender])
        if room.gender != RoomGender.ANY and others.exists():
            raise GenderRefused(room.gender)
        room.save(update_fields=[*changes])
    return room


@transaction.atomic
def room_remove(*, pk: int, now: datetime, scope: Scope = EVERYTHING) -> None:
    """Remove a room; its history stays.

    :raises RecordMissing: there is no such room.
    :raises NotPermitted: ``scope`` shows the room, but does not allow changes.
    :raises RoomInUse: students are in it.
    """
    room = _lock_to_change(pk, scope)
    if Stay.objects.filter(room=room, ends_at=None).exists():
        raise RoomInUse
    room.removed_at = now
    room.save(update_fields=["removed_at"])


def check_in(*, sid: str, room_pk: int, bed: int | None = None, now: datetime, scope: Scope = EVERYTHING) -> Stay:
    """Give a student a bed, the first free one if ``bed`` is None.

    :raises RecordMissing: ``scope`` shows no such student or room.
    :raises NotPermitted: ``scope`` shows both, but does not allow changes of both.
    :raises HasBed, RoomFull, BedTaken, BedUnknown, GenderRefused: as named.
    """
    with transaction.atomic():
        student = _lock_student(sid, scope)
        if Stay.objects.filter(student=student, ends_at=None).exists():
            raise HasBed
        return _take(student, _lock_to_change(room_pk, scope), bed, now)


def check_out(*, sid: str, now: datetime, scope: Scope = EVERYTHING) -> Stay:
    """End a student's stay.

    :raises RecordMissing: ``scope`` shows no such student, or the student has no bed.
    """
    with transaction.atomic():
        return _leave(_lock_student(sid, scope), now)


def move(*, sid: str, room_pk: int, bed: int | None = None, now: datetime, scope: Scope = EVERYTHING) -> Stay:
    """Bring a student to another bed, in one step: who is refused there stays where he was.

    :raises DomainError: as :func:`check_in` and :func:`check_out`.
    """
    with transaction.atomic():
        student = _lock_student(sid, scope)
        _leave(student, now)
        return _take(student, _lock_to_change(room_pk, scope), bed, now)


def stays_end(*, pks: Sequence[int], now: datetime) -> None:
    """Let students who are archived or deleted leave their beds."""
    Stay.objects.filter(student__in=pks, ends_at=None).update(ends_at=now, is_interrupted=True)


def stays_resume(*, pks: Sequence[int], now: datetime) -> None:
    """Give students who come back the beds that they left for it, where these are free."""
    last = Stay.objects.filter(student__in=pks).order_by("student_id", "-begins_at", "-pk").distinct("student_id")
    left = [stay for stay in last if stay.is_interrupted]
    open_rooms = Room.objects.select_for_update(no_key=True).filter(pk__in=[stay.room_id for stay in left])
    rooms = {room.pk: room for room in open_rooms.filter(removed_at=None).order_by("pk")}
    taken = set(Stay.objects.filter(room__in=rooms, ends_at=None).values_list("room", "bed"))
    back = []
    for stay in left:
        place = (stay.room_id, stay.bed)
        if stay.room_id in rooms and place not in taken and stay.bed <= rooms[stay.room_id].beds:
            taken.add(place)
            back.append(_stay(stay.student_id, stay.sid, stay.name, *place, now))
    Stay.objects.bulk_create(back)


def _take(student: Student, room: Room, bed: int | None, now: datetime) -> Stay:
    taken = set(Stay.objects.filter(room=room, ends_at=None).values_list("bed", flat=True))
    if room.gender not in (RoomGender.ANY, student.gender or room.gender):
        raise GenderRefused(room.gender)
    if bed is not None and bed > room.beds:
        raise BedUnknown(room.beds)
    free = [number for number in range(1, room.beds + 1) if number not in taken]
    if not free:
        raise RoomFull
    if bed in taken:
        raise BedTaken
    stay = _stay(student.pk, student.sid, student.name, room.pk, bed or free[0], now)
    stay.save()
    return stay


def _leave(student: Student, now: datetime) -> Stay:
    stay = Stay.objects.select_for_update(no_key=True).filter(student=student, ends_at=None).first()
    if stay is None:
        raise RecordMissing
    stay.ends_at = now
    stay.save(update_fields=["ends_at"])
    return stay


def _stay(student_pk: int, sid: str, name: str, room_pk: int, bed: int, now: datetime) -> Stay:
    return Stay(student_id=student_pk, sid=sid, name=name, room_id=room_pk, bed=bed, begins_at=now)


def _lock_student(sid: str, scope: Scope) -> Student:
    student = Student.objects.select_for_update(no_key=True).filter(scope.visible(), sid=sid).first()
    if student is None:
        raise RecordMissing
    scope.require_change(student)
    return student


def _lock_to_change(pk: int, scope: Scope) -> Room:
    rooms = Room.objects.select_for_update(no_key=True)
    room = rooms.filter(Q(removed_at=None), scope.visible(), pk=pk).first()
    if room is None:
        raise RecordMissing
    scope.require_change(room)
    return room


@contextmanager
def _once() -> Iterator[None]:
    """Turn the database's word on a second room of one name into the refusal.

    :raises RoomExists: the name is taken.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise RoomExists from None
