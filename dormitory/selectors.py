"""Questions about rooms and beds. What belongs to whom (data scope) is decided here."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, F, Prefetch, Q, QuerySet

from dormitory.models import Room, Stay
from permissions.scope import EVERYTHING, Scope
from students.models import PRESENT_STATES, Student

MAX_HOMELESS = 10
TAKEN = Count("stays", filter=Q(stays__ends_at=None))


def rooms_visible(scope: Scope) -> Q:
    """Match the rooms that ``scope`` shows: with 本班 also those in which a student of the classes sleeps."""
    if not scope.classes:
        return scope.visible()
    return scope.visible() | Q(pk__in=_sleepers(scope).values("room"))


def rooms_entered(user_pks: Iterable[int]) -> QuerySet[Room]:
    """Return the rooms that the users have made."""
    return Room.objects.filter(created_by__in=list(user_pks), removed_at=None)


def _sleepers(scope: Scope) -> QuerySet[Stay]:
    return Stay.objects.filter(scope.visible("student__", of=Student), ends_at=None)


def rooms(scope: Scope = EVERYTHING) -> QuerySet[Room]:
    """Return the rooms that ``scope`` shows, each with its ``sleepers``: the stays of those who are in it now.

    Show only those of the students whom the caller's scope shows too (``Scope.may_see``).
    """
    stays = Stay.objects.filter(ends_at=None).select_related("student").order_by("bed")
    found = Room.objects.filter(rooms_visible(scope), removed_at=None)
    return found.prefetch_related(Prefetch("stays", stays, to_attr="sleepers"))


def rooms_found(
    *, building: str = "", key: str = "", only_free: bool = False, scope: Scope = EVERYTHING
) -> QuerySet[Room]:
    """Return the rooms of a building, with a free bed, or that ``key`` names: by room, or by a student in it."""
    found = rooms(scope)
    if building:
        found = found.filter(building=building)
    if key:
        named = _sleepers(scope).filter(student__name__contains=key)
        found = found.filter(Q(name__contains=key) | Q(pk__in=named.values("room")))
    return found.alias(taken=TAKEN).filter(taken__lt=F("beds")) if only_free else found


def beds_of(room: Any) -> Iterable[tuple[int, Stay | None]]:
    """Return the beds of a room of :func:`rooms`, each with the stay of the student in it."""
    by_bed = {stay.bed: stay for stay in room.sleepers}
    return ((bed, by_bed.get(bed)) for bed in range(1, room.beds + 1))


def stays_of(scope: Scope = EVERYTHING, **students: Any) -> QuerySet[Stay]:
    """Return the stays of some students, newest first, as far as ``scope`` shows room and student."""
    room = scope.visible("room__")
    if scope.classes:
        room |= Q(student__class_name__in=scope.classes)
    seen = Stay.objects.filter(scope.visible("student__", of=Student), room, **students)
    return seen.select_related("room").order_by("-begins_at", "-pk")


def buildings(scope: Scope = EVERYTHING) -> list[str]:
    """Name the buildings that have rooms, in order."""
    return list(rooms(scope).order_by("building").values_list("building", flat=True).distinct())


def homeless(text: str, scope: Scope) -> QuerySet[Student]:
    """Return a few students without a bed whose name begins with ``text``, or whose number it is, but none who left."""
    students = Student.objects.filter(scope.school.visible(of=Student), state__in=PRESENT_STATES)
    students = students.filter(Q(name__startswith=text) | Q(sid=text.upper()))
    return students.exclude(pk__in=Stay.objects.filter(ends_at=None).values("student")).order_by("-pk")[:MAX_HOMELESS]
