"""Campuses (校区): each is a text that classes carry, and a user. A student belongs to that of the class."""

from permissions.scope import EVERYTHING, Scope
from students.models import SchoolClass


def campuses(scope: Scope = EVERYTHING) -> dict[str, list[str]]:
    """Return the campuses in order, each with the names of its classes. A narrow scope has those of its classes."""
    rows = SchoolClass.objects.exclude(campus="").order_by("campus", "name")
    if scope.is_narrow:
        rows = rows.filter(name__in=scope.classes)
    found: dict[str, list[str]] = {}
    for campus, name in rows.values_list("campus", "name"):
        found.setdefault(campus, []).append(name)
    return found
