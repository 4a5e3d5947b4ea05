"""The pages of the class room: 课堂, which lists all classes and opens one, and 这节课, the board of one class."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from accounts.errors import ClassAccountsRefused
from accounts.selectors import ending_counts
from accounts.services.class_accounts import MAX_TRAINEES
from core import times
from core.admin.password import require_password
from core.ids import storable
from core.sheets.write import download, sheet_write
from core.times import local
from lessons.actions import READ_ONLY_MINUTES, action_do
from lessons.board import FIGURES, board
from lessons.call_log import page_wait
from lessons.checkpoints import CHECKPOINTS
from lessons.class_switches import MINUTES, PRESETS, class_switches_on
from lessons.classroom_form import ClassForm
from lessons.selectors import classes_for, may_teach, plan_of, teacher_names, trainees_of
from lessons.services import class_open
from lessons.slips import slips_page
from permissions.gate import read_only_until
from practice.selectors import invitations_open
from practice.services import MAX_DAYS


def classroom_page(request: HttpRequest) -> HttpResponse:
    """Show the classes with accounts, open one, or do what a button says."""
    user: Any = request.user
    if not may_teach(user):
        raise PermissionDenied
    require_password(request)
    if "do" in request.POST:
        return action_do(request, request.POST["do"], storable(request.POST.get("class_name", "")))
    form = ClassForm(request.POST or None, request.FILES or None, user=user)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        class_name = values["class_name"]
        try:
            slips = class_open(
                class_name, values["trainees"], values["role"], values["scope"], values["practice"] or 0, by=user
            )
        except ClassAccountsRefused as refusal:
            form.add_error(None, refusal.msg)
        else:
            return slips_page(request, class_name, slips) if slips else HttpResponseRedirect(request.path)
    context = admin.site.each_context(request) | {
        "title": "课堂",
        "form": form,
        "classes": _classes(user),
        "has_joining": not settings.PRODUCTION,
        "max_days": MAX_DAYS,
        "read_only_minutes": READ_ONLY_MINUTES,
        "has_demo_data": settings.DEMO_DATA and user.is_superuser,
        "limit": MAX_TRAINEES,
    }
    return render(request, "lessons/classroom.html", context)


def _classes(user: Any) -> list[dict[str, Any]]:
    now, classes = times.now(), classes_for(user)
    invitations, ending = invitations_open(now), ending_counts(now)
    faults = class_switches_on(name for name, _ in classes)
    return [
        {
            "name": name,
            "count": count,
            "read_only": read_only_until(name),
            "invitation": invitations.get(name),
            "ending": ending.get(name),
            "faults": faults.get(name),
        }
        for name, count in classes
    ]


def lesson_page(request: HttpRequest, class_name: str) -> HttpResponse:
    """Show the board of a class, send it as CSV, or do what one of its buttons says. For its teachers and root."""
    if not may_teach(request.user):
        raise PermissionDenied
    class_name = storable(class_name)
    users = list(trainees_of(request.user, class_name))
    if not users and class_name not in dict(classes_for(request.user)):
        raise Http404
    if request.method == "POST":
        return action_do(request, "fault" if "preset" in request.POST else request.POST.get("do", ""), class_name)
    now, kind = times.now(), request.GET.get("format")
    if settings.SANDBOX:
        page_wait(request.GET.get("sid", ""), users)
    rows = board(users, class_name, now=now)
    if kind == "csv":
        name = f"{class_name}-{local(now):%Y%m%d-%H%M}.csv"
        table = [row.cells() for row in rows]
        heading = list(table[0]) if table else []
        return download(name, sheet_write("csv", heading, [list(cells.values()) for cells in table]))
    context: dict[str, Any] = {"rows": rows, "class_name": class_name}
    if kind == "rows":
        return render(request, "lessons/board_rows.html", context)
    names, until = plan_of(class_name)
    context |= {
        "figures": FIGURES,
        "plan": [(name, checkpoint.name, name in names) for name, checkpoint in CHECKPOINTS.items()],
        "until": until,
        "teachers": teacher_names(class_name),
        "faults": class_switches_on([class_name]).get(class_name),
        "presets": {name: text for name, (_, text) in PRESETS.items()} if settings.SANDBOX else {},
        "minutes": MINUTES,
    }
    context |= admin.site.each_context(request) | {"title": f"{class_name} 这节课"}
    return render(request, "lessons/lesson.html", context)
