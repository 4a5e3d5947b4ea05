"""Find classes and campuses (校区). A class that has students, but that nobody has asked for yet, gets its row here.

A campus is a text that classes carry, and a user. A student belongs to that of the class.
"""

from collections.abc import Collection, Iterable, Mapping

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from permissions.scope import EVERYTHING, Scope
from students.errors import ClassUnknown
from students.models import SchoolClass
from students.selectors import classes_counted, classes_present, students_total


def class_get(name: str, scope: Scope = EVERYTHING) -> SchoolClass:
    """Find a class by its name.

    :raises ClassUnknown: there is none, or none that is the caller's or has a student whom ``scope`` shows.
    """
    rows = SchoolClass.objects.filter(name=name)
    row = rows.first()
    is_known = row is not None and (not scope.is_narrow or name in scope.classes)
    if not is_known and not students_total(name, scope=scope):
        raise ClassUnknown
    if row is None:
        classes_add([name])
        row = rows.first()
    if row is None:  # renamed at this instant
        raise ClassUnknown
    return row


def class_rows(scope: Scope = EVERYTHING) -> QuerySet[SchoolClass]:
    """Return all classes, also those without students; or the caller's and those with a student in sight.

    Classes that trainees practise with get no row here.
    """
    names = [name for name, _ in classes_counted(scope.school)]
    classes_add(names)
    rows = SchoolClass.objects.order_by("name")
    return rows.filter(name__in={*names, *scope.classes}) if scope.is_narrow else rows


def class_capacities(names: Iterable[str]) -> dict[str, int]:
    """Return for how many students each of these classes has room; without those of which nobody has said so."""
    rows = SchoolClass.objects.filter(name__in=list(names))
    return {row.name: row.capacity for row in rows if row.capacity}


def classes_overfull(more: Mapping[str, int], scope: Scope = EVERYTHING) -> list[str]:
    """Say which classes would have more students than room if each of them got so many ``more``."""
    capacities = class_capacities(name for name, number in more.items() if number > 0)
    sizes = classes_present(scope) if capacities else {}
    after = {name: sizes.get(name, 0) + more[name] for name in capacities}
    return [
        f"{name} 会有 {size} 名学员，容量是 {capacities[name]}"
        for name, size in after.items()
        if size > capacities[name]
    ]


def classes_of_user(user_pk: int, has_campus: bool) -> frozenset[str]:
    """Name the classes that a user heads or teaches; ``has_campus``: also those of the user's campus."""
    own = Q(head_teacher=user_pk) | Q(teachers=user_pk)
    if has_campus:
        own |= Q(campus__in=User.objects.filter(pk=user_pk).exclude(campus="").values("campus"))
    return frozenset(SchoolClass.objects.filter(own).order_by().values_list("name", flat=True))


def campuses(scope: Scope = EVERYTHING) -> dict[str, list[str]]:
    """Return the campuses in order, each with the names of its classes. A narrow scope has those of its classes."""
    rows = SchoolClass.objects.exclude(campus="").order_by("campus", "name")
    if scope.is_narrow:
        rows = rows.filter(name__in=scope.classes)
    found: dict[str, list[str]] = {}
    for campus, name in rows.values_list("campus", "name"):
        found.setdefault(campus, []).append(name)
    return found


def campus_set(*, pks: Iterable[int], campus: str) -> None:
    """Give classes a campus; "" takes it away."""
    with transaction.atomic():
        rows = SchoolClass.objects.select_for_update().filter(pk__in=list(pks)).exclude(campus=campus).order_by("pk")
        for row in rows:
            row.campus = campus
            row.save(update_fields=["campus"])


def classes_add(names: Collection[str]) -> None:
    """Add the rows that are missing."""
    missing = {*names}.difference(SchoolClass.objects.filter(name__in=names).values_list("name", flat=True))
    SchoolClass.objects.bulk_create((SchoolClass(name=name) for name in sorted(missing)), ignore_conflicts=True)
