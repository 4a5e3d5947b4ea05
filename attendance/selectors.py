"""Questions about attendance. What belongs to whom (data scope) is decided here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Trunc

from attendance.errors import RecordMissing
from attendance.models import ATTENDED, Leave, Record, Session, Status
from permissions.scope import EVERYTHING, Scope

ATTENDED_Q = Q(status__in=ATTENDED)


def sessions(scope: Scope = EVERYTHING) -> QuerySet[Session]:
    """Return the sessions that ``scope`` shows."""
    return Session.objects.filter(scope.visible())


def sessions_found(*, class_name: str = "", first: date, last: date, scope: Scope = EVERYTHING) -> QuerySet[Session]:
    """Return sessions, newest first."""
    found = sessions(scope).filter(date__range=(first, last)).select_related("created_by")
    return found.filter(class_name=class_name) if class_name else found


class Numbers(NamedTuple):
    """How many of a session's list were what; ``attended`` are those who came, late or early too."""

    total: int
    attended: int
    late: int
    early: int
    leave: int
    absent: int


def numbers_of(found: Sequence[Session], now: datetime, scope: Scope = EVERYTHING) -> dict[int, Numbers]:
    """Return the numbers of sessions by their keys."""
    by_session: dict[int, Counter[int]] = {session.pk: Counter() for session in found}
    is_open = {session.pk: session.is_open(now) for session in found}
    rows = Record.objects.filter(scope.visible(), session__in=by_session).order_by().values_list("session", "status")
    for pk, status, number in rows.annotate(Count("pk")):
        by_session[pk][status] = number
    return {
        pk: Numbers(
            total=counts.total(),
            attended=sum(counts[status] for status in ATTENDED),
            late=counts[Status.LATE],
            early=counts[Status.LEFT_EARLY],
            leave=counts[Status.ON_LEAVE],
            absent=counts[Status.ABSENT] + (0 if is_open[pk] else counts[Status.UNSIGNED]),
        )
        for pk, counts in by_session.items()
    }


def session_get(pk: int, scope: Scope = EVERYTHING) -> Session:
    """Find a session.

    :raises RecordMissing: there is none, or ``scope`` does not show it.
    """
    session = sessions(scope).filter(pk=pk).first()
    if session is None:
        raise RecordMissing
    return session


def records_of(session: Session, scope: Scope = EVERYTHING) -> QuerySet[Record]:
    """Return a session's list, in the order of the class."""
    return Record.objects.filter(scope.visible(), session=session).order_by("pk")


def records_in(found: Iterable[Session], scope: Scope = EVERYTHING) -> QuerySet[Record]:
    """Return the records of several sessions."""
    return Record.objects.filter(scope.visible(), session__in=[session.pk for session in found])


def signed_and_total(session: Session) -> tuple[int, int]:
    """Return how many of a session's list have signed, and how many are on it."""
    numbers = session.records.aggregate(signed=Count("pk", filter=ATTENDED_Q), total=Count("pk"))
    return numbers["signed"], numbers["total"]


def summary(
    *,
    first: date,
    last: date,
    now: datetime,
    class_name: str = "",
    key: str = "",
    student_pk: int | None = None,
    scope: Scope = EVERYTHING,
) -> QuerySet[Any]:
    """Return a dict for each student of each class: in how many of the sessions that are over they were what.

    ``newest`` is the key of the newest record, which has name and number.

    :param student_pk: only this student; what the data scope shows does not matter then.
    """
    is_over = Q(session__closed_at__isnull=False) | Q(session__closes_at__lte=now)
    found = Record.objects.filter(is_over, session__date__range=(first, last))
    if student_pk is None:
        found = found.filter(scope.visible(), scope.visible("session__"))
    else:
        found = found.filter(student=student_pk)
    if class_name:
        found = found.filter(session__class_name=class_name)
    if key:
        found = found.filter(name__contains=key)
    return (
        found.order_by("session__class_name", "student").values("student", "session__class_name")
        .annotate(
            newest=Max("pk"),
            should_attend=Count("pk", filter=~Q(status=Status.ON_LEAVE)),
            attended=Count("pk", filter=ATTENDED_Q),
            late=Count("pk", filter=Q(status=Status.LATE)),
            early=Count("pk", filter=Q(status=Status.LEFT_EARLY)),
            leave=Count("pk", filter=Q(status=Status.ON_LEAVE)),
            absent=Count("pk", filter=Q(status__in=[Status.ABSENT, Status.UNSIGNED])),
        )
    )  # fmt: skip


def attendance_rate(attended: int, should_attend: int) -> float | None:
    return round(attended / should_attend, 4) if should_attend else None


def attendance_days(unit: str, first: date, last: date, scope: Scope = EVERYTHING) -> dict[date, tuple[int, int]]:
    """Return how many attended and how many should have, for each ``unit`` in which a session was closed.

    :param unit: ``day``, ``week`` (named by its Monday) or ``month`` (by its first).
    """
    records = Record.objects.filter(
        scope.visible(),
        scope.visible("session__"),
        session__closed_at__isnull=False,
        session__date__range=(first, last),
    )
    rows = (
        records.order_by().annotate(begins=Trunc("session__date", unit)).values_list("begins")
        .annotate(attended=Count("pk", filter=ATTENDED_Q), due=Count("pk", filter=~Q(status=Status.ON_LEAVE)))
    )  # fmt: skip
    return {begins: (attended, should_attend) for begins, attended, should_attend in rows}


def on_leave(students: Any, day: date) -> set[int]:
    """Return the keys of those students who are on leave on a day."""
    leaves = Leave.objects.filter(student__in=students, begins_on__lte=day, ends_on__gte=day)
    return set(leaves.values_list("student", flat=True))


def with_same_time(found: QuerySet[Session], class_name: str) -> QuerySet[Session]:
    """Return those of the sessions at whose day and period a class has one already that they may not stand beside."""
    same = Session.objects.filter(
        class_name=class_name, date=OuterRef("date"), period=OuterRef("period"), is_private=OuterRef("is_private")
    )
    return found.filter(Exists(same.filter(Q(is_private=False) | Q(created_by=OuterRef("created_by")))))
