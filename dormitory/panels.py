"""Beds on the page of a class and of a student."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from core.admin.tables import page_link, table
from core.times import format_office_time
from dormitory.selectors import stays_of
from permissions.scope import scope_of
from students.models import SchoolClass, Student
from students.panels import Panel

MAX_ROWS = 200


def class_panel(request: HttpRequest, school_class: SchoolClass) -> Panel:
    lines = [
        (page_link(stay.student, stay.student.name), page_link(stay.room, stay.room), stay.bed)
        for stay in _seen(request, ends_at=None, student__class_name=school_class.name)
    ]
    return Panel("床位", lines and table(["姓名", "房间", "床位"], lines))


def student_panel(request: HttpRequest, student: Student) -> Panel:
    lines = [
        (page_link(stay.room, stay.place), format_office_time(stay.begins_at), format_office_time(stay.ends_at))
        for stay in _seen(request, student=student)
    ]
    rows = table(["床位", "入住", "退宿"], lines) if lines else ""
    if request.user.has_perms(["dormitory.view_room", "dormitory.change_room"]):
        address = f"{reverse('admin:dormitory_room_beds')}?student={student.sid}"
        rows = format_html('{}<p><a class="tr-button" href="{}">选床位</a></p>', rows, address)
    return Panel("住宿", rows)


def _seen(request: HttpRequest, **students: Any) -> Any:
    if not request.user.has_perm("dormitory.view_room"):
        return ()
    return stays_of(scope_of(request.user), **students).select_related("student")[:MAX_ROWS]
