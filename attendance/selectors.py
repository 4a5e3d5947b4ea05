"""Questions about attendance. What belongs to whom (data scope) is decided here."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Annotated, Any, TypedDict

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, Max, Q, QuerySet, Window

from attendance.models import ATTENDED, Record, Session, Status
from core import times
from core.errors import RowUnknown
from permissions.scope import EVERYTHING, Scope

# Of sessions that are over. Counted is what each index has: to count the records, PostgreSQL would read their table.
_OF_RATE = {
    "attended": Count("status", filter=Q(status__in=ATTENDED)),
    "absent": Count("status", filter=Q(status__in=[Status.ABSENT, Status.UNSIGNED])),
}


class Numbers(TypedDict):
    """How many of some records were what."""

    attended: Annotated[int, "出勤、迟到和早退"]
    late: int
    early: int
    leave: int
    absent: Annotated[int, "旷课;还开放时未签到的不算"]


def numbers_of(statuses: Iterable[int]) -> Numbers:
    """Count statuses. 未签到 is among none of the numbers."""
    counts = Counter(statuses)
    return {
        "attended": sum(counts[status] for status in ATTENDED),
        "late": counts[Status.LATE],
        "early": counts[Status.LEFT_EARLY],
        "leave": counts[Status.ON_LEAVE],
        "absent": counts[Status.ABSENT],
    }


def session_numbers(session: Any, now: datetime) -> Numbers:
    """Return the numbers of a session whose statuses are loaded."""
    return numbers_of(session.status_at(now, status) for status in session.statuses)


def sessions_found(
    *, class_name: str = "", first: date = date.min, last: date = date.max, scope: Scope = EVERYTHING
) -> QuerySet[Session]:
    """Return the sessions that ``scope`` shows, newest first."""
    found = Session.objects.filter(scope.visible(of=Session), date__range=(first, last)).select_related("created_by")
    return found.filter(class_name=class_name) if class_name else found


def statuses_load(found: Iterable[Session], scope: Scope = EVERYTHING) -> list[Any]:
    """Return sessions with ``statuses``: those of their lists, as far as ``scope`` shows them."""
    sessions: list[Any] = list(found)
    records = Record.objects.filter(scope.visible(of=Record), session__in=sessions).order_by()
    statuses = dict(records.values_list("session").annotate(statuses=ArrayAgg("status")))
    for session in sessions:
        session.statuses = statuses.get(session.pk, [])
    return sessions


def session_get(pk: int, scope: Scope = EVERYTHING) -> Session:
    """Find a session.

    :raises RowUnknown: there is none, or ``scope`` does not show it.
    """
    session = Session.objects.filter(scope.visible(of=Session), pk=pk).first()
    if session is None:
        raise RowUnknown
    return session


def sessions_entered(user_pks: Iterable[int]) -> QuerySet[Session]:
    """Return the sessions that the users have opened."""
    return Session.objects.filter(created_by__in=list(user_pks))


def records_of(session: Session, scope: Scope = EVERYTHING) -> QuerySet[Record]:
    """Return a session's list, in the order of the class."""
    return session.records.filter(scope.visible(of=Record)).order_by("pk")


def summary(first: date, last: date, now: datetime, scope: Scope = EVERYTHING, **only: Any) -> QuerySet[Any]:
    """Return a dict for each student of each class: the :class:`Numbers` of the sessions that are over.

    ``newest`` is the key of the newest of these sessions, and ``total`` the number of all rows, whatever is sliced.
    """
    is_over = Q(session__closed_at__isnull=False) | Q(session__closes_at__lte=now)
    return (
        _records(first, last, scope).filter(is_over, **only)
        .order_by("session__class_name", "student").values("student", "session__class_name")
        .annotate(
            newest=Max("session"),
            late=Count("status", filter=Q(status=Status.LATE)),
            early=Count("status", filter=Q(status=Status.LEFT_EARLY)),
            leave=Count("status", filter=Q(status=Status.ON_LEAVE)),
            **_OF_RATE,
            total=Window(Count("*")),  # a second query would read all records once more
        )
    )  # fmt: skip


def with_newest_records(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Record]]:
    """Pair the rows of :func:`summary` with the records that have name and number; leave out those deleted since."""
    by_key = {(row["student"], row["newest"]): row for row in rows}
    students, sessions = ({key[at] for key in by_key} for at in (0, 1))
    records = Record.objects.filter(student__in=students, session__in=sessions)
    found = {(record.student_id, record.session_id): record for record in records}
    return ((row, found[key]) for key, row in by_key.items() if key in found)


def _records(first: date, last: date, scope: Scope) -> QuerySet[Record]:
    visible = scope.visible(of=Record) & scope.visible("session__", of=Session)
    return Record.objects.filter(visible, session__date__range=(first, last))


def attendance_rate(attended: int, absent: int) -> float | None:
    """Return which part of those came who should have; None where nobody should."""
    return round(attended / (attended + absent), 4) if attended + absent else None


def attendance_rates(unit: str, first: date, last: date, scope: Scope = EVERYTHING) -> dict[date, float | None]:
    """Return the rate of each ``unit`` in which a session was closed.

    :param unit: ``day``, ``week`` (named by its Monday) or ``month`` (by its first).
    """
    closed = _records(first, last, scope).filter(session__closed_at__isnull=False).order_by()
    numbers: dict[date, Counter[str]] = defaultdict(Counter)
    # PostgreSQL counts the days and not the units, because rounding a million dates takes it longer than their count.
    for day, attended, absent in closed.values_list("session__date").annotate(**_OF_RATE):
        numbers[times.unit_begin(unit, day)].update(attended=attended, absent=absent)
    return {begins: attendance_rate(**sums) for begins, sums in numbers.items()}
