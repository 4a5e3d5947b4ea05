"""A month of a class as a sheet: a row for each student, a column for each session."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from attendance.models import Record, Session, Status
from attendance.selectors import numbers_of, sessions_found
from core.sheets.write import Page
from permissions.scope import Scope

MARKS: dict[int | None, str] = dict(zip([*Status][1:], "✓迟早假旷", strict=True))
SUMS = ("应出勤", "实际出勤", "迟到", "早退", "请假", "旷课")


def month_sheet(class_name: str, first: date, last: date, *, now: datetime, scope: Scope) -> Page:
    """Return the sessions of a class from ``first`` to ``last`` that are over, oldest first."""
    found = sessions_found(class_name=class_name, first=first, last=last, scope=scope).order_by("date", "period", "pk")
    over = [session for session in found if not session.is_open(now)]
    by_student: dict[int, dict[int, Record]] = defaultdict(dict)
    for record in Record.objects.filter(scope.visible(of=Record), session__in=over).order_by("student_id"):
        by_student[record.student_id][record.session_id] = record
    head = ["姓名", "学号", *(f"{session.date.day}日{session.get_period_display()}" for session in over), *SUMS]
    rows = [_row(records, over, now) for records in by_student.values()]
    return Page(f"考勤表-{class_name}-{first:%Y-%m}", head, rows, [14, 16, *[8] * (len(head) - 2)])


def _row(records: dict[int, Record], over: list[Session], now: datetime) -> list[Any]:
    newest = records[max(records)]
    statuses = {pk: session.status_at(now, records[pk].status) for session in over if (pk := session.pk) in records}
    numbers: Any = numbers_of(statuses.values())
    marks = (MARKS.get(statuses.get(session.pk), "") for session in over)
    return [newest.name, newest.sid, *marks, numbers["attended"] + numbers["absent"], *numbers.values()]
