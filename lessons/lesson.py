"""这节课, the page of one class: the board, live and as CSV, and what its buttons do."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from accounts.models import User
from accounts.services.class_accounts import class_accounts_reset
from core import times
from core.admin.password import require_password
from core.sheets.write import download, sheet_write
from core.times import local
from lessons.board import FIGURES, board, board_cells, board_head
from lessons.checkpoints import CHECKPOINTS
from lessons.classroom import ask
from lessons.faults import MINUTES, PRESETS, fault_set, faults_end, faults_on
from lessons.progress import plan_of, plan_read, plan_set
from lessons.slips import slips_page
from lessons.teachers import may_teach, teacher_add, teacher_names, trainees_of
from practice.selectors import practice_students
from shop.services.catalogue import catalogue_clear
from students.invented import practice_add, students_clear

CLEARED = "他们录入的学员将被删除，录入的商品和类目将下架，不能恢复。"
CLEARS = {
    "keep": "没有改过的练习学员不变。",
    "renew": "练习学员换成新的一份。",
}


def lesson_page(request: HttpRequest, class_name: str) -> HttpResponse:
    """Show the board of a class, send it as CSV, or do what one of its buttons says. For its teachers and root."""
    if not may_teach(request.user):
        raise PermissionDenied
    users = list(trainees_of(request.user, class_name))
    if not users:
        raise Http404
    if request.method == "POST":
        return _do(request, class_name, users)
    now, kind = times.now(), request.GET.get("format")
    rows = board(users, class_name, now=now)
    if kind == "csv":
        name = f"{class_name}-{local(now):%Y%m%d-%H%M}.csv"
        return download(name, sheet_write("csv", board_head(class_name), [board_cells(row) for row in rows]))
    context: dict[str, Any] = {"rows": rows, "figures": FIGURES, "class_name": class_name}
    if kind == "rows":
        return render(request, "lessons/board_rows.html", context)
    names, until = plan_of(class_name)
    context |= {
        "plan": [(name, checkpoint.name, name in names) for name, checkpoint in CHECKPOINTS.items()],
        "until": until,
        "teachers": teacher_names(class_name),
        "faults": faults_on([class_name]).get(class_name),
        "presets": {name: text for name, (_, text) in PRESETS.items()} if settings.SANDBOX else {},
        "minutes": MINUTES,
    }
    context |= admin.site.each_context(request) | {"title": f"{class_name} 这节课"}
    return render(request, "lessons/lesson.html", context)


def _do(request: HttpRequest, class_name: str, users: list[User]) -> HttpResponse:
    """Do what a button says: of one trainee, named by the key, or of the whole class."""
    what, _, whom = request.POST.get("do", "").partition(" ")
    trainees = [user for user in users if whom in ("all", str(user.pk))]
    if what == "plan":
        _plan(request, class_name)
    elif what in ("teacher", "hand_over"):
        _teacher(request, class_name, is_handed_over=what == "hand_over")
    elif settings.SANDBOX and (what == "fault_off" or "preset" in request.POST):
        _fault(request, class_name, users)
    elif what not in ("password", *CLEARS) or not trainees:
        raise Http404
    elif "sure" not in request.POST:
        return _ask(request, class_name, what, whom, trainees)
    elif what == "password":
        require_password(request)
        trainee = trainees_of(request.user, class_name).filter(pk=trainees[0].pk)
        return slips_page(request, class_name, class_accounts_reset(trainee), back=request.path)
    else:
        _clear(request, class_name, trainees, is_renewed=what == "renew", now=times.now())
    return HttpResponseRedirect(request.path)


def _ask(request: HttpRequest, class_name: str, what: str, whom: str, trainees: list[User]) -> HttpResponse:
    if what == "password":
        require_password(request)
        title = f"给 {trainees[0].nickname} 新密码"
        text = f"{trainees[0].username} 得到新密码，原来的密码和登入立即失效。新的账号条随后显示。"
    else:
        who = f"{class_name} 全班" if whom == "all" else trainees[0].nickname
        title, text = f"清空 {who} 录入的数据", f"{CLEARED}{CLEARS[what]}账号、订单和别人录入的数据不变。"
    return ask(request, title, text, f"{what} {whom}")


def _clear(request: HttpRequest, class_name: str, trainees: list[User], *, is_renewed: bool, now: datetime) -> None:
    pks = [user.pk for user in trainees]
    students = students_clear(user_pks=pks, actor_pk=request.user.pk, now=now, keeps_practice=not is_renewed)
    if is_renewed:
        practice_add(user_pks=pks, number=practice_students(class_name), now=now)
    messages.success(request, f"已删除 {students} 名学员，下架 {catalogue_clear(user_pks=pks, now=now)} 个商品和类目")


def _fault(request: HttpRequest, class_name: str, users: list[User]) -> None:
    name, minutes = request.POST.get("preset"), request.POST.get("minutes", "")
    if name is None:
        faults_end(users)
        messages.success(request, f"{class_name}：故障已关闭")
    elif name in PRESETS and minutes in map(str, MINUTES):
        fault_set(users, name, minutes=int(minutes), now=times.now())
        messages.success(request, f"{class_name}：{name} {minutes} 分钟")
    else:
        messages.error(request, "没有这个故障")


def _plan(request: HttpRequest, class_name: str) -> None:
    try:
        names, until = plan_read(request.POST.getlist("checkpoints"), request.POST.get("until"))
    except ValueError:
        messages.error(request, "检查点或日期不对")
    else:
        plan_set(class_name, names, until)
        messages.success(request, f"{class_name}：{len(names)} 个检查点")


def _teacher(request: HttpRequest, class_name: str, *, is_handed_over: bool) -> None:
    if is_handed_over and not request.user.is_superuser:
        raise PermissionDenied
    username = request.POST.get("username", "").replace("\x00", "")
    if teacher_add(class_name=class_name, username=username, is_handed_over=is_handed_over):
        messages.success(request, f"{class_name} 的老师：{'、'.join(teacher_names(class_name))}")
    else:
        messages.error(request, "没有这位老师：要有后台账号和“课堂”的权限")
