"""The classroom page, for root alone: accounts for a whole class, its read-only hours, and the demo data."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import segno
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from unfold import widgets

from accounts.errors import ClassAccountsRefused
from accounts.selectors import ending_counts, pks_of
from accounts.services.class_accounts import (
    MAX_TRAINEES,
    Slip,
    Trainee,
    class_accounts_create,
    class_accounts_delete,
    class_accounts_reset,
    class_list,
    names_read,
)
from core import times
from core.admin.password import require_password
from core.api.request import absolute_url
from core.errors import DomainError
from core.sheets.write import sheet_write
from core.times import local
from permissions.gate import read_only_set, read_only_until
from permissions.models import DEFAULT_ROLEID, DataScope
from permissions.scope import scope_of
from permissions.selectors import roles_to_give
from practice.errors import InvitationInvalid
from practice.selectors import class_names, invitations_open
from practice.services import MAX_DAYS, MAX_PLACES, class_end, invitation_make, terms_forget, terms_keep
from students.accounts import account_slip, accounts_link
from students.models import Student
from students.practice import MAX_PRACTICE, practice_add
from students.selectors import class_list as student_classes
from students.selectors import class_students

MAX_FILE_BYTES = 100_000
READ_ONLY_MINUTES = (15, 30, 45, 60, 90, 120)
_demo_reset: Callable[..., list[str]]


class ClassForm(forms.Form):
    """Form for a list of trainees: typed or pasted, from a file, or the students of a class."""

    class_name = forms.RegexField(
        r"\A[\w-]{1,32}\Z",
        label="班级",
        widget=widgets.UnfoldAdminTextInputWidget,
        help_text="没有学号的人，用户名是班级加序号，如 h51901-01",
        error_messages={"invalid": "只能有文字、数字、下划线和减号，最多 32 个字符"},
    )
    role = forms.ChoiceField(
        label="角色", choices=roles_to_give, initial=DEFAULT_ROLEID, widget=widgets.UnfoldAdminSelectWidget
    )
    scope = forms.ChoiceField(
        label="数据权限",
        choices=[("", "与角色相同"), *DataScope.choices],
        required=False,
        widget=widgets.UnfoldAdminSelectWidget,
        help_text="仅本人：每个人有自己的一份学员和商品，互相看不到；仅本人可改：看得到全部，只能改自己录入的",
    )
    practice = forms.IntegerField(
        label="每人的练习学员",
        min_value=0,
        max_value=MAX_PRACTICE,
        initial=0,
        required=False,
        widget=widgets.UnfoldAdminIntegerFieldWidget,
        help_text="为每个账号录入这么多名虚构的学员，例如 30；与“仅本人”一起用最合适",
    )
    names = forms.CharField(
        label="名单",
        required=False,
        widget=widgets.UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="每行一人：姓名，或姓名和学号（逗号、空格或制表符隔开，可直接从 Excel 粘贴）",
    )
    file = forms.FileField(
        label="或上传名单",
        required=False,
        widget=widgets.UnfoldAdminFileFieldWidget(attrs={"accept": ".txt,.csv"}),
        help_text=".txt 或 .csv，内容与上面相同",
    )
    is_invited = forms.BooleanField(
        label="或用邀请码",
        required=False,
        widget=widgets.UnfoldBooleanSwitchWidget,
        help_text="不要名单：学员凭邀请码自己开账号；班级开好以后在下面发邀请码",
    )
    students_of = forms.ChoiceField(
        label="或取班级学员",
        choices=lambda: [("", "—"), *((name, name) for name in student_classes())],
        required=False,
        widget=widgets.UnfoldAdminSelectWidget,
        help_text="学员表里这个班的全部学员，用户名是各人的学号",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        sources = [name for name in ("names", "file", "students_of", "is_invited") if values.get(name)]
        if len(sources) != 1:
            raise forms.ValidationError("名单、文件、班级学员三者选一，或用邀请码")
        try:
            values["trainees"] = self._trainees(values)
        except ClassAccountsRefused as refusal:
            self.add_error(sources[0], refusal.msg)
        return values

    def _trainees(self, values: dict[str, Any]) -> list[Trainee]:
        if values.get("is_invited"):
            return []
        if values.get("students_of"):
            students = class_students(values["students_of"], limit=MAX_TRAINEES + 1)
            if len(students) > MAX_TRAINEES:
                raise ClassAccountsRefused(f"一次最多 {MAX_TRAINEES} 人")
            return [Trainee(student.name, student.sid) for student in students]
        return names_read(values.get("names") or _text_of(values["file"]))


def _text_of(file: Any) -> str:
    if file.size > MAX_FILE_BYTES:
        raise ClassAccountsRefused("文件太大")
    content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")  # the encoding that Excel uses in China


def classroom_page(request: HttpRequest) -> HttpResponse:
    """Show the classes with accounts, and make, reset or delete a class's accounts."""
    if not request.user.is_superuser:
        raise PermissionDenied
    require_password(request)
    if request.method == "POST" and "do" in request.POST:
        return _do(request, request.POST["do"], request.POST.get("class_name", "").replace("\x00", ""))
    form = ClassForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        class_name, practice = values["class_name"], values["practice"] or 0
        try:
            slips = class_open(class_name, values["trainees"], values["role"], values["scope"], practice)
        except ClassAccountsRefused as refusal:
            form.add_error(None, refusal.msg)
        else:
            return slips_page(request, class_name, slips) if slips else HttpResponseRedirect(request.path)
    now, counts = times.now(), dict(class_list())
    names = sorted({*counts, *class_names()})
    invitations, ending = invitations_open(now), ending_counts(now)
    ends = [(name, counts.get(name, 0), read_only_until(name)) for name in names]
    context = admin.site.each_context(request) | {
        "title": "课堂",
        "form": form,
        "classes": [
            (name, count, end and local(end), invitations.get(name), ending.get(name)) for name, count, end in ends
        ],
        "has_joining": not settings.PRODUCTION,
        "max_days": MAX_DAYS,
        "read_only_minutes": READ_ONLY_MINUTES,
        "has_demo_data": settings.DEMO_DATA,
        "limit": MAX_TRAINEES,
    }
    return render(request, "lessons/classroom.html", context)


@transaction.atomic
def class_open(class_name: str, trainees: list[Trainee], roleid: str, scope: str, practice: int) -> list[Slip]:
    """Make the accounts of a class, each with ``practice`` students of its own; return the slips.

    All or nothing: an account that stayed behind would have a password that nobody has seen.

    :raises ClassAccountsRefused: see ``class_accounts_create``.
    """
    slips = class_accounts_create(class_name=class_name, trainees=trainees, roleid=roleid, scope=scope)
    accounts_link(slips)
    pks = pks_of(*(slip.username for slip in slips))
    practice_add(user_pks=pks, number=min(practice, MAX_PRACTICE), now=times.now())
    terms_keep(class_name=class_name, roleid=roleid, scope=scope, students=practice)
    return slips


def _do(request: HttpRequest, what: str, class_name: str) -> HttpResponse:
    """Do what a button of the page says. The first request shows a confirmation page; "sure" carries it out.

    Read-only hours can be taken back, so no page asks.
    """
    if what == "read_only":
        _read_only(request, class_name)
        return HttpResponseRedirect(request.path)
    if what == "invite" and not settings.PRODUCTION:
        _invite(request, class_name)
        return HttpResponseRedirect(request.path)
    if what not in ASKS:
        raise PermissionDenied
    if "sure" not in request.POST:
        title, text = ASKS[what]
        context = admin.site.each_context(request) | {
            "title": title.format(class_name),
            "text": text,
            "do": what,
            "class_name": class_name,
        }
        return render(request, "lessons/classroom_sure.html", context)
    if what == "reset":
        slips = class_accounts_reset(class_name=class_name)
        if slips:
            return slips_page(request, class_name, slips)
        messages.warning(request, "这个班没有账号")
    elif what == "end":
        count = class_end(class_name=class_name, now=times.now())
        messages.success(request, f"{class_name}：邀请码已失效，{count} 个账号的班级已经结束")
    elif what == "delete":
        terms_forget(class_name=class_name)
        count = class_accounts_delete(class_name=class_name)
        messages.success(request, f"{class_name}：已删除 {count} 个账号")
    else:
        messages.success(request, "；".join(_demo_reset(clears_shop=what == "demo_shop")))
    return HttpResponseRedirect(request.path)


def _invite(request: HttpRequest, class_name: str) -> None:
    days, places = (request.POST.get(name, "") for name in ("days", "places"))
    if not (days.isdecimal() and places.isdecimal()):
        messages.error(request, "请填天数和人数")
        return
    number = (min(int(text[:4]), MAX_PLACES) for text in (days, places))
    values = dict(zip(("days", "places"), number, strict=True))
    try:
        row = invitation_make(class_name=class_name, by=request.user.get_username(), now=times.now(), **values)
    except InvitationInvalid:
        messages.error(request, "没有这个班级")
    else:
        messages.success(request, f"{class_name}：邀请码 {row.code}，可加入 {row.places} 人")


def _read_only(request: HttpRequest, class_name: str) -> None:
    minutes = request.POST.get("minutes", "")
    number = int(minutes) if minutes in map(str, READ_ONLY_MINUTES) else 0
    now = times.now()
    read_only_set(class_name, ends_at=now + timedelta(minutes=number), now=now)
    outcome = f"只读 {number} 分钟，到时间自动恢复" if number else "已恢复修改"
    messages.success(request, f"{class_name}：{outcome}")


ASKS = {
    "end": (
        "结束 {} 的课",
        "邀请码立即失效，账号还能用。在练习服务器上，两周后清空并删除全班的账号；再发邀请码就继续上课。",
    ),
    "reset": ("重设 {} 全班的密码", "每个账号得到新密码，原来的密码和登入立即失效。新的账号条随后显示，请当场打印。"),
    "delete": (
        "删除 {} 的全部账号",
        "账号、购物车和头像将被删除，不能恢复；他们的订单和日志保留，录入的学员和商品也保留，除非先在“这节课”清空。",
    ),
    "demo": (
        "恢复演示账号和演示数据",
        "演示账号（lbw、zhuguan、yuangong）的密码和资料、演示学员和演示商品恢复原样；其他人的数据不变。",
    ),
    "demo_shop": (
        "恢复演示数据，并清理商城",
        "与“恢复原样”相同，另外下架所有其他商品和类目，不论是谁添加的；已有的订单保留。",
    ),
}


def register_demo_reset(reset: Callable[..., list[str]]) -> None:
    """Take the function that the buttons call. ``demo`` calls this when it starts, because it stands above us.

    :param reset: puts the demo data back and returns what it did; ``clears_shop`` says what of the shop goes.
    """
    global _demo_reset
    _demo_reset = reset


def student_slip(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a student's account a new password, and show its slip."""
    scope = scope_of(request.user)
    student = get_object_or_404(Student.objects.filter(scope.visible()), pk=pk)
    if request.method != "POST" or not request.user.has_perm("students.account_student"):
        raise PermissionDenied
    if not scope.may_change(student):
        raise PermissionDenied
    require_password(request)
    back = reverse("admin:students_student_change", args=[pk])
    try:
        return slips_page(request, student.class_name, [account_slip(student=student, by=request.user)], back=back)
    except DomainError as refusal:
        messages.error(request, refusal.msg)
        return HttpResponseRedirect(back)


def slips_page(request: HttpRequest, class_name: str, slips: list[Slip], back: str = "") -> HttpResponse:
    """Show the slips to print and cut up. They can be shown only once, because we keep only hashes of passwords."""
    docs = absolute_url(request, "/docs/")
    context = {
        "class_name": class_name,
        "slips": slips,
        "docs": docs,
        "qr": segno.make_qr(docs, error="m").svg_data_uri(omitsize=True, border=1),
        "file": "data:text/csv;base64," + base64.b64encode(slips_csv(slips)).decode(),
        "made_at": times.now(),
        "back": back or request.path,
    }
    response = render(request, "lessons/slips.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def slips_csv(slips: list[Slip]) -> bytes:
    """Return the slips as CSV that Excel opens. Trainees choose their names and user names themselves."""
    rows = [(slip.name, slip.number, slip.username, slip.password) for slip in slips]
    return sheet_write("csv", ["姓名", "学号", "用户名", "密码"], rows)
