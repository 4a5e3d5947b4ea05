"""Figures about students for charts: groups, and who entered and left in a span of days. One query each.

Entries count the archive too and leavers come from the events, so that a past month keeps its figure.
"""

from collections import Counter
from datetime import date, timedelta
from typing import Any

from django.db.models import Case, CharField, Count, DateField, QuerySet, Value, When
from django.db.models.functions import Trunc

from core.times import SHANGHAI, day_begins
from permissions.scope import EVERYTHING, Scope
from students.models import ArchivedStudent, Student, StudentEvent

GROUPS = {"city": "city", "class": "class_name", "degree": "degree"}
# The last age of each band.
AGE_BANDS = {17: "17-", 20: "18-20", 23: "21-23", 26: "24-26", 29: "27-29"}
OLDEST_BAND = "30+"


def students_by(group: str, scope: Scope = EVERYTHING) -> list[tuple[str, int]]:
    """Return (name, number of students), largest first; of ``city``, ``class``, ``degree`` or ``age`` in bands."""
    students: QuerySet[Any] = Student.objects.filter(scope.visible(of=Student)).order_by()
    if group == "age":
        bands = [When(age__lte=last, then=Value(name)) for last, name in AGE_BANDS.items()]
        students = students.annotate(band=Case(*bands, default=Value(OLDEST_BAND), output_field=CharField()))
    field = GROUPS.get(group, "band")
    return list(students.values_list(field).annotate(number=Count("pk")).order_by("-number", field))


def entries_by_month(scope: Scope = EVERYTHING) -> list[tuple[str, int]]:
    """Return ``("2026-11", number)`` for each month in which students entered, oldest first."""
    return [(f"{month:%Y-%m}", number) for month, number in sorted(_entries("month", scope).items())]


def entries(unit: str, first: date, last: date, scope: Scope = EVERYTHING) -> dict[date, int]:
    """Return how many students entered from ``first`` to ``last``, by day, Monday of the week or first of the month."""
    span = {"created_at__gte": day_begins(first), "created_at__lt": day_begins(last + timedelta(days=1))}
    return _entries(unit, scope, **span)


def leavers(unit: str, first: date, last: date, scope: Scope = EVERYTHING) -> dict[date, int]:
    """Return how many students left (退学, 结业, archived) from ``first`` to ``last``, as :func:`entries` does."""
    visible = scope.visible(of=StudentEvent)
    events = StudentEvent.objects.filter(visible, is_leaving=True, on__range=(first, last)).order_by()
    rows: Any = events.annotate(at=Trunc("on", unit, output_field=DateField())).values_list("at")
    return dict(rows.annotate(Count("pk")))


def _entries(unit: str, scope: Scope, **span: Any) -> dict[date, int]:
    here, archive = (
        model._default_manager.filter(scope.visible(of=model), **span)
        .order_by()
        .values_list(Trunc("created_at", unit, output_field=DateField(), tzinfo=SHANGHAI))
        .annotate(Count("pk"))
        for model in (Student, ArchivedStudent)
    )
    days: Counter[date] = Counter()
    for day, number in here.union(archive, all=True):
        days[day] += number
    return days
