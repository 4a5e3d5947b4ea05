"""A month of a class as a table: a row for each student, a column for each session."""

from datetime import date, datetime
from typing import Any, NamedTuple

from attendance.models import Record, Session, Status
from attendance.selectors import numbers_of, sessions_found
from permissions.scope import Scope

MARKS = dict(zip([*Status][1:], "✓迟早假旷", strict=True))
SUMS = ("应出勤", "实际出勤", "迟到", "早退", "请假", "旷课")


class MonthRow(NamedTuple):
    name: str
    sid: str
    marks: list[str]
    sums: list[int]


class MonthSheet(NamedTuple):
    heads: list[str]  # of the sessions: 3日上午
    rows: list[MonthRow]
    sums: tuple[str, ...] = SUMS


def month_sheet(class_name: str, first: date, last: date, *, now: datetime, scope: Scope) -> MonthSheet:
    """Return the sessions of a class from ``first`` to ``last`` that are over, oldest first."""
    found = sessions_found(class_name=class_name, first=first, last=last, scope=scope).order_by("date", "period", "pk")
    over = [session for session in found if not session.is_open(now)]
    by_student: dict[int, dict[int, Record]] = {}
    for record in Record.objects.filter(scope.visible(of=Record), session__in=over):
        by_student.setdefault(record.student_id, {})[record.session_id] = record
    heads = [f"{session.date.day}日{session.get_period_display()}" for session in over]
    return MonthSheet(heads, [_row(records, over, now) for _, records in sorted(by_student.items())])


def _row(records: dict[int, Record], over: list[Session], now: datetime) -> MonthRow:
    statuses = {one.pk: one.status_at(now, records[one.pk].status) for one in over if one.pk in records}
    numbers: Any = numbers_of(statuses.values())
    marks = [MARKS[statuses[one.pk]] if one.pk in statuses else "" for one in over]
    newest = records[max(records)]
    return MonthRow(newest.name, newest.sid, marks, [numbers["attended"] + numbers["absent"], *numbers.values()])
