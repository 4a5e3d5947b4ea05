"""Rooms that come, change and go; and students who move in and out.

Whoever gives a bed away locks the student first and then the room, so of two at once one gets the last bed, and no
student who is being archived gets one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Greatest

from accounts.services.practice_ceilings import ceiling_keep
from core.errors import NothingChanged, RowUnknown
from dormitory import errors
from dormitory.models import Room, RoomGender, Stay
from dormitory.selectors import rooms_entered, rooms_visible
from permissions.scope import EVERYTHING, Scope
from students.models import Student


def room_add(*, scope: Scope = EVERYTHING, **values: Any) -> Room:
    """Add a room; ``values`` are ``building``, ``name``, ``beds`` and ``gender``.

    :raises RoomExists: the building has one of this name among those that ``scope`` shows.
    :raises CeilingReached: on a practice server, who adds has as many as an account may have.
    """
    own = Room.objects.filter(created_by=scope.user_pk, removed_at=None)
    with _once():
        ceiling_keep(user_pk=scope.user_pk, limit=settings.PRACTICE_ROOMS, what="间宿舍", count=own.count)
        return Room.objects.create(**values, created_by_id=scope.user_pk, is_private=scope.is_narrow)


def room_update(*, room_pk: int, scope: Scope = EVERYTHING, **changes: Any) -> Room:
    """Change a room; ``changes`` are any of the values of :func:`room_add`.

    :raises RowUnknown, NotPermitted: ``scope`` shows no such room, or does not allow changes.
    :raises RoomExists, NothingChanged: as named.
    :raises BedsInUse: a bed would go in which a student is.
    :raises GenderRefused: a student is in the room whom it would no longer take.
    """
    with _once():
        room = _lock_room(room_pk, scope)
        if all(getattr(room, name) == value for name, value in changes.items()):
            raise NothingChanged
        for name, value in changes.items():
            setattr(room, name, value)
        stays = Stay.objects.filter(room=room, ends_at=None)
        highest = stays.aggregate(bed=Max("bed"))["bed"] or 0
        if highest > room.beds:
            raise errors.BedsInUse(highest)
        others = stays.exclude(student__gender__in=["", room.gender])
        if room.gender != RoomGender.ANY and others.exists():
            raise errors.GenderRefused(room.gender)
        room.save(update_fields=[*changes])
    return room


@transaction.atomic
def room_remove(*, room_pk: int, now: datetime, scope: Scope = EVERYTHING) -> None:
    """Remove a room; its history stays.

    :raises RowUnknown, NotPermitted: ``scope`` shows no such room, or does not allow changes.
    :raises RoomInUse: students are in it.
    """
    room = _lock_room(room_pk, scope)
    if Stay.objects.filter(room=room, ends_at=None).exists():
        raise errors.RoomInUse
    room.removed_at = now
    room.save(update_fields=["removed_at"])


@transaction.atomic
def rooms_clear(*, user_pks: Sequence[int]) -> int:
    """Delete the rooms that the users have made, with their history; return how many there were."""
    number = rooms_entered(user_pks).count()
    # Locked as by whoever moves in, so that no stay comes between.
    rooms = list(Room.objects.select_for_update().filter(created_by__in=user_pks).order_by("pk"))
    Stay.objects.filter(room__in=rooms).delete()
    Room.objects.filter(pk__in=[room.pk for room in rooms]).delete()
    return number


@transaction.atomic
def check_in(
    *,
    sid: str, room_pk: int, bed: int | None = None, now: datetime, scope: Scope = EVERYTHING, moves: bool = False,
) -> Stay:  # fmt: skip
    """Give a student a bed, the first free one if ``bed`` is None.

    :param moves: a student who has a bed leaves it, unless the new one is refused.
    :raises RowUnknown, NotPermitted: ``scope`` shows no such student or room, or does not allow changes.
    :raises HasBed, RoomFull, BedTaken, BedUnknown, GenderRefused: as named.
    """
    student = scope.lock(Student.objects.filter(sid=sid), RowUnknown)
    present = Stay.objects.filter(student=student, ends_at=None)
    if not moves and present.exists():
        raise errors.HasBed
    _end(present, now)
    return _take(student, _lock_room(room_pk, scope), bed, now)


@transaction.atomic
def check_out(*, sid: str, now: datetime, scope: Scope = EVERYTHING) -> Stay:
    """End a student's stay.

    :raises RowUnknown, NotPermitted: ``scope`` shows no such student, or does not allow changes; or he has no bed.
    """
    student = scope.lock(Student.objects.filter(sid=sid), RowUnknown)
    stay = Stay.objects.filter(student=student, ends_at=None).first()
    if stay is None:
        raise RowUnknown
    _end(Stay.objects.filter(pk=stay.pk), now)
    return stay


def stays_end(*, pks: Sequence[int], now: datetime) -> None:
    """Let students who are archived or deleted leave their beds."""
    _end(Stay.objects.filter(student__in=pks, ends_at=None), now, is_interrupted=True)


def _end(stays: QuerySet[Stay], now: datetime, **fields: Any) -> None:
    # A request that has waited for the student reads a clock from before he moved in.
    stays.update(ends_at=Greatest(F("begins_at"), now), **fields)


def stays_resume(*, pks: Sequence[int], now: datetime) -> None:
    """Give students who come back the beds that they left for it, where these still take them."""
    last = Stay.objects.filter(student__in=pks).order_by("student_id", "-begins_at", "-pk").distinct("student_id")
    left = Stay.objects.filter(pk__in=last.values("pk"), is_interrupted=True).select_related("student")
    # All together: a class of hundreds must not hold its rooms for as long as one student after the other takes.
    locked = Room.objects.select_for_update(no_key=True).filter(pk__in=left.values("room"), removed_at=None)
    rooms = {room.pk: room for room in locked.order_by("pk")}
    taken = set(Stay.objects.filter(room__in=rooms, ends_at=None).values_list("room", "bed"))
    back = []
    for stay in left:
        room = rooms.get(stay.room_id)
        if room and room.takes(stay.student) and stay.bed <= room.beds and (room.pk, stay.bed) not in taken:
            taken.add((room.pk, stay.bed))
            back.append(_stay(stay.student, room, stay.bed, now))
    Stay.objects.bulk_create(back)


def _take(student: Student, room: Room, bed: int | None, now: datetime) -> Stay:
    if not room.takes(student):
        raise errors.GenderRefused(room.gender)
    if bed is not None and bed > room.beds:
        raise errors.BedUnknown(room.beds)
    taken = set(Stay.objects.filter(room=room, ends_at=None).values_list("bed", flat=True))
    free = [number for number in range(1, room.beds + 1) if number not in taken]
    if not free:
        raise errors.RoomFull
    if bed in taken:
        raise errors.BedTaken
    stay = _stay(student, room, bed or free[0], now)
    stay.save()
    return stay


def _stay(student: Student, room: Room, bed: int, now: datetime) -> Stay:
    return Stay(student=student, sid=student.sid, name=student.name, room=room, bed=bed, begins_at=now)


def _lock_room(pk: int, scope: Scope) -> Room:
    return scope.lock(Room.objects.filter(pk=pk, removed_at=None), RowUnknown, rooms_visible(scope))


@contextmanager
def _once() -> Iterator[None]:
    """Turn the database's word on a second room of one name into the refusal.

    :raises RoomExists: the name is taken.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise errors.RoomExists from None
