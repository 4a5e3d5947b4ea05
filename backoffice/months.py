"""Count students by the day on which they were added. That reads every student, so a worker does it."""

from collections import Counter
from datetime import date, datetime

from django.core.cache import cache

from permissions.scope import Scope
from students.counts import student_count
from students.selectors import students_by_day

MONTHS = 12
# With so few students, counting takes less time than waiting for the worker.
COUNTED_AT_ONCE = 50_000
KEPT_S = 3600
_KEY = "backoffice:days"


def months_of(now: datetime) -> list[datetime]:
    """Return the beginnings of the last ``MONTHS`` months, oldest first, in the time zone of ``now``."""
    number = now.year * 12 + now.month - 1
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return [first.replace(year=n // 12, month=n % 12 + 1) for n in range(number - MONTHS + 1, number + 1)]


def month_counts(days: dict[str, int]) -> dict[str, int]:
    """Return ``{"2026-11": 17}`` from the counts of days."""
    months: Counter[str] = Counter()
    for day, number in days.items():
        months[day[:7]] += number
    return dict(months)


def days_sum(days: dict[str, int], first: date, last: date) -> int:
    """Add up the counts of the days from ``first`` to ``last``."""
    return sum(number for day, number in days.items() if f"{first}" <= day <= f"{last}")


def day_counts(now: datetime, scope: Scope) -> dict[str, int] | None:
    """Return ``{"2026-11-24": 3}`` of ``MONTHS`` months, a few minutes old at most.

    None until the worker has counted many students.
    """
    if scope.is_own_only:
        return students_by_day(months_of(now)[0], scope)
    kept = cache.get(_KEY)
    if kept is None and student_count() <= COUNTED_AT_ONCE:
        return students_by_day(months_of(now)[0])
    return kept


def months_recount(now: datetime) -> None:
    """Count again and keep the result for the dashboard."""
    cache.set(_KEY, students_by_day(months_of(now)[0]), KEPT_S)
