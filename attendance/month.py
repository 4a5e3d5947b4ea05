"""A month of a class as a table: a row for each student, a column for each session."""

from dataclasses import dataclass, field
from datetime import date, datetime

from attendance.models import ATTENDED, Record, Session, Status
from attendance.selectors import records_in, sessions
from permissions.scope import Scope

MARKS = {
    Status.UNSIGNED: "",
    Status.PRESENT: "✓",
    Status.LATE: "迟",
    Status.LEFT_EARLY: "早",
    Status.ON_LEAVE: "假",
    Status.ABSENT: "旷",
}
SUMS = ("应出勤", "实际出勤", "迟到", "早退", "请假", "旷课")


@dataclass
class MonthRow:
    name: str
    sid: str
    marks: list[str]
    sums: list[int]


@dataclass
class MonthSheet:
    heads: list[str]  # of the sessions: 3日上午
    rows: list[MonthRow] = field(default_factory=list)
    sums: tuple[str, ...] = SUMS


def month_sheet(class_name: str, first: date, last: date, *, now: datetime, scope: Scope) -> MonthSheet:
    """Return the sessions of a class from ``first`` to ``last`` that are over, oldest first."""
    found = sessions(scope).filter(class_name=class_name, date__range=(first, last)).order_by("date", "period", "pk")
    over = [session for session in found if not session.is_open(now)]
    by_student: dict[int, dict[int, Record]] = {}
    for record in records_in(over, scope):
        by_student.setdefault(record.student_id, {})[record.session_id] = record
    sheet = MonthSheet([f"{session.date.day}日{session.get_period_display()}" for session in over])
    sheet.rows = [_row(records, over, now) for _, records in sorted(by_student.items())]
    return sheet


def _row(records: dict[int, Record], over: list[Session], now: datetime) -> MonthRow:
    statuses = [records[one.pk].status_in(one, now) if one.pk in records else None for one in over]
    numbers = [sum(status == kind for status in statuses) for kind in (Status.LATE, Status.LEFT_EARLY)]
    leave, absent = statuses.count(Status.ON_LEAVE), statuses.count(Status.ABSENT)
    attended = sum(status in ATTENDED for status in statuses)
    newest = records[max(records)]
    marks = ["" if status is None else MARKS[status] for status in statuses]
    return MonthRow(newest.name, newest.sid, marks, [attended + absent, attended, *numbers, leave, absent])
