"""What stands below the forms of a class and of a student: panels of other apps, the student's account and life."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from unfold.widgets import INPUT_CLASSES

from accounts.models import User
from core.admin.tables import may_open, page_link, table
from core.api.request import present_request
from core.errors import DomainError
from core.ids import storable
from core.registers import Registers
from core.times import format_office_time, local
from permissions.scope import scope_of
from students.accounts import account_activate, account_link, account_unlink, accounts_suggested, may_manage
from students.models import SchoolClass, Student, StudentEvent
from students.selectors import student_of_account


class Panel(NamedTuple):
    title: str
    content: Any  # HTML; "" shows no panel


# After the roster and the accounts of a class, and after the account and the life of a student.
class_panels = Registers[Callable[[HttpRequest, SchoolClass], Panel]]()
student_panels = Registers[Callable[[HttpRequest, Student], Panel]]()


def account_panel(request: HttpRequest, student: Student) -> Panel:
    user, person = student.account, request.user
    may = person.has_perm("students.account_student")
    context: dict[str, Any] = {
        "student": student,
        "user": user,
        "may": may and (user is None or may_manage(person, user)),
    }
    if user is not None:
        context |= {"link": page_link(user, user.username), "seen": format_office_time(user.last_login) or "从未登录"}
        if person.has_perm("shop.view_order"):
            context["orders"] = reverse("admin:shop_order_changelist") + f"?q={user.username}"
    elif may:
        context |= {"suggested": accounts_suggested(student, person), "look": " ".join(INPUT_CLASSES)}
    return Panel("账号", render_to_string("students/account.html", context, request))


def life_panel(request: HttpRequest, student: Student) -> Panel:
    rows: list[tuple[Any, ...]] = [(local(student.created_at).date(), "录入", "", "")]
    for one in StudentEvent.objects.filter(student_pk=student.pk).order_by("pk"):
        rows.append((one.on, one.get_kind_display(), one.class_name, one.detail))
    return Panel("经历", table(["日期", "事件", "班级", "说明"], rows[::-1]))


def account_act(request: HttpRequest, student: Student) -> None:
    """Do what a button of the panel says."""
    try:
        match request.POST.get("do"):
            case "link":
                account_link(student=student, username=storable(request.POST.get("username", "")), by=request.user)
            case "unlink":
                account_unlink(student=student, by=request.user)
            case "disable" | "enable" as what:
                account_activate(student=student, is_active=what == "enable", by=request.user)
            case _:
                return
        messages.success(request, "账号：已保存")
    except DomainError as refusal:
        messages.error(request, refusal.msg)


def student_line(user: User) -> str:
    """Return what the page of an account says of its student."""
    student = student_of_account(user.pk)
    # Hidden and absent look alike to users who may not see the student.
    request = present_request()
    is_seen = student is not None and request is not None and scope_of(request.user).may_see(student)
    return page_link(student, student) if student is not None and is_seen and may_open(Student) else "—"
