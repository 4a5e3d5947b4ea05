"""Attendance on the page of a class and of a student: the newest sessions, and the sums of this month."""

from django.http import HttpRequest

from attendance.models import Record, Session
from attendance.selectors import session_numbers, sessions_found, statuses_load, summary
from core import times
from core.admin.tables import page_link, table
from core.times import format_office_time
from permissions.scope import scope_of
from students.models import SchoolClass, Student
from students.panels import Panel

MAX_ROWS = 10
_NONE = Panel("", "")


def class_panel(request: HttpRequest, school_class: SchoolClass) -> Panel:
    if not request.user.has_perm("attendance.view_session"):
        return _NONE
    now = times.now()
    scope, lines = scope_of(request.user).school, []
    for session in statuses_load(sessions_found(class_name=school_class.name, scope=scope)[:MAX_ROWS], scope):
        came, *others = session_numbers(session, now).values()
        when = page_link(session, f"{session.date} {session.get_period_display()}")
        lines.append((when, f"{came} / {len(session.statuses)}", *others))
    return Panel("考勤", lines and table(["场次", "出勤 / 名单", "迟到", "早退", "请假", "旷课"], lines))


def student_panel(request: HttpRequest, student: Student) -> Panel:
    if not request.user.has_perm("attendance.view_session"):
        return _NONE
    now, scope = times.now(), scope_of(request.user)
    records = Record.objects.filter(scope.visible(of=Record), scope.visible("session__", of=Session), student=student)
    newest = records.select_related("session").order_by("-session__date", "-session__period", "-session")[:MAX_ROWS]
    lines = []
    for record in newest:
        session = record.session
        status = session.status_at(now, record.status).label
        lines.append((page_link(session, session), status, format_office_time(record.signed_at), record.remark))
    today = times.local(now).date()
    month = list(summary(today.replace(day=1), today, now, scope, student=student))
    attended, absent = (sum(row[key] for row in month) for key in ("attended", "absent"))
    title = f"考勤（本月应出勤 {attended + absent}，实际 {attended}）"
    return Panel(title, lines and table(["场次", "考勤", "签到时间", "备注"], lines))
