"""The class list on paper: a sheet for each class, with a column to sign in."""

from itertools import groupby

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from core import times
from core.audit import StaffAction, action_record
from core.ids import storable
from permissions.scope import scope_of
from students.filters import filters_q, filters_read
from students.models import Student
from students.selectors import search_q

MAX_PRINTED = 500


def class_sheet_page(request: HttpRequest) -> HttpResponse:
    """Return the page of all students that the list shows for the same filters and search."""
    filters, text = filters_read(request.GET), storable(request.GET.get("q", ""))
    matches = Student.objects.filter(
        scope_of(request.user).visible(of=Student), filters_q(filters), search_q(text) if text else Q()
    )
    students = list(matches.order_by("class_name", "pk")[: MAX_PRINTED + 1])
    back = reverse("admin:students_student_changelist") + "?" + request.GET.urlencode()
    if not students:
        messages.warning(request, "没有符合条件的学员，没有可打印的名单")
        return HttpResponseRedirect(back)
    if len(students) > MAX_PRINTED:
        messages.error(request, f"一次最多打印 {MAX_PRINTED} 名学员，请先筛选班级")
        return HttpResponseRedirect(back)
    classes = [(name, list(rows)) for name, rows in groupby(students, key=lambda student: student.class_name)]
    action_record(request.user, StaffAction.EXPORT, {"打印": "班级名单", "行数": str(len(students))})
    context = {
        "classes": classes,
        "total": len(students),
        "back": back,
        "printed_at": times.now(),
        "printed_by": request.user.get_username(),
    }
    return render(request, "students/class_sheet.html", context)
