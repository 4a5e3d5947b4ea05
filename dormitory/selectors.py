"""Questions about rooms and beds. What belongs to whom (data scope) is decided here."""

from collections.abc import Iterable

from django.db.models import Count, F, Q, QuerySet

from dormitory.models import Room, Stay
from permissions.scope import EVERYTHING, Scope
from students.models import Student

TAKEN = Count("stays", filter=Q(stays__ends_at=None))


def rooms(scope: Scope = EVERYTHING) -> QuerySet[Room]:
    """Return the rooms that ``scope`` shows."""
    return Room.objects.filter(scope.visible(), removed_at=None)


def rooms_found(
    *, building: str = "", key: str = "", only_free: bool = False, scope: Scope = EVERYTHING
) -> QuerySet[Room]:
    """Return the rooms of a building, with a free bed, or that ``key`` names: by room, or by a student in it."""
    found = rooms(scope)
    if building:
        found = found.filter(building=building)
    if key:
        sleepers = Stay.objects.filter(scope.visible("student__"), ends_at=None, student__name__contains=key)
        found = found.filter(Q(name__contains=key) | Q(pk__in=sleepers.values("room")))
    return found.alias(taken=TAKEN).filter(taken__lt=F("beds")) if only_free else found


def stays_now() -> QuerySet[Stay]:
    """Return who is in a bed now. Show only the students whom the caller's scope shows (``Scope.may_see``)."""
    return Stay.objects.filter(ends_at=None).select_related("student").order_by("bed")


def stays_of_rooms(found: Iterable[Room]) -> dict[int, list[Stay]]:
    """Return who is in which room now, by the room's key."""
    by_room: dict[int, list[Stay]] = {room.pk: [] for room in found}
    for stay in stays_now().filter(room__in=by_room):
        by_room[stay.room_id].append(stay)
    return by_room


def stay_of(student: Student) -> Stay | None:
    """Return where a student sleeps."""
    return Stay.objects.filter(student=student, ends_at=None).select_related("room").first()


def buildings(scope: Scope = EVERYTHING) -> list[str]:
    """Name the buildings that have rooms, in order."""
    return list(rooms(scope).order_by("building").values_list("building", flat=True).distinct())


def bed_history(room: Room, scope: Scope = EVERYTHING, *, limit: int = 50) -> list[Stay]:
    """Return the newest stays in a room; with a narrow scope only those of the caller's own students."""
    stays = room.stays.order_by("-begins_at", "-pk")
    if scope.is_own_only:
        stays = stays.filter(student__in=Student.objects.filter(scope.visible()).values("pk"))
    return list(stays[:limit])


def homeless(text: str, scope: Scope = EVERYTHING, *, limit: int = 10) -> QuerySet[Student]:
    """Return students without a bed whose name begins with ``text``, or whose number it is."""
    students = Student.objects.filter(scope.visible()).filter(Q(name__startswith=text) | Q(sid=text.upper()))
    return students.exclude(pk__in=Stay.objects.filter(ends_at=None).values("student")).order_by("-pk")[:limit]
