"""The classroom page, for teachers and root: accounts for a whole class and its read-only hours; root's demo data."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from accounts.errors import ClassAccountsRefused
from accounts.selectors import ending_counts, pks_of, users_of_class
from accounts.services.class_accounts import (
    MAX_TRAINEES,
    Slip,
    Trainee,
    class_accounts_create,
    class_accounts_delete,
    class_accounts_reset,
    names_read,
)
from core import times
from core.admin.password import require_password
from core.registers import Register
from core.sheets.read import SheetRefused, sheet_read
from lessons.faults import faults_on
from lessons.slips import slips_page
from lessons.teachers import class_take, classes_for, classes_taught, may_teach, teaches, trainees_of
from permissions.gate import read_only_set, read_only_until
from permissions.models import DEFAULT_ROLEID, DataScope, Role
from permissions.selectors import roles_to_give
from practice.errors import InvitationInvalid
from practice.selectors import invitations_open
from practice.services import MAX_DAYS, MAX_PLACES, class_end, invitation_make, terms_forget, terms_keep
from shop.services.catalogue import catalogue_clear
from students.accounts import accounts_link
from students.invented import MAX_PRACTICE, practice_add
from students.selectors import class_list as student_classes
from students.selectors import class_roster

READ_ONLY_MINUTES = (15, 30, 45, 60, 90, 120)
demo_reset = Register[Callable[[], list[str]]]("how the demo data is put back")  # returns what it did


class ClassForm(forms.Form):
    """Form for a list of trainees: typed or pasted, from a file, or the students of a class."""

    class_name = forms.RegexField(
        r"\A[\w-]{1,32}\Z",
        label="班级",
        required=False,
        help_text="没有学号的人，用户名是班级加序号，如 h51901-01；取班级学员时可以不填",
        error_messages={"invalid": "只能有文字、数字、下划线和减号，最多 32 个字符"},
    )
    role = forms.ChoiceField(label="角色", choices=roles_to_give, initial=DEFAULT_ROLEID)
    scope = forms.ChoiceField(
        label="数据权限",
        choices=[("", "与角色相同"), *Role.SCOPES],
        required=False,
        help_text="仅本人：每个人有自己的一份学员和商品，互相看不到；仅本人可改：看得到全部，只能改自己录入的",
    )
    practice = forms.IntegerField(
        label="每人的练习学员",
        min_value=0,
        max_value=MAX_PRACTICE,
        initial=0,
        required=False,
        help_text="为每个账号录入这么多名虚构的学员，例如 30；与“仅本人”一起用最合适",
    )
    names = forms.CharField(
        label="名单",
        required=False,
        widget=forms.Textarea({"rows": 8}),
        help_text="每行一人：姓名，或姓名和学号（逗号、空格或制表符隔开，可直接从 Excel 粘贴）",
    )
    file = forms.FileField(
        label="或上传名单",
        required=False,
        help_text=".xlsx、.xls、.csv 或 .txt；表格第一行有“姓名”时取“姓名”和“学号”两列",
    )
    is_invited = forms.BooleanField(
        label="或用邀请码",
        required=False,
        help_text="不要名单：学员凭邀请码自己开账号；班级开好以后在上面发邀请码",
    )
    students_of = forms.ChoiceField(
        label="或取班级学员", required=False, help_text="学员表里这个班的全部学员，用户名是各人的学号"
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        """Offer what a user may give: a teacher takes students of the own classes, and each account 仅本人."""
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        names = student_classes() if user.is_superuser else classes_taught(user)
        fields["students_of"].choices = [("", "—"), *((name, name) for name in names)]
        if not user.is_superuser:
            fields["scope"].choices = [(DataScope.OWN.value, DataScope.OWN.label)]
            fields["scope"].required = True

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if not values.get("class_name") and "class_name" not in self.errors:
            values["class_name"] = values.get("students_of", "")
            if not values["class_name"]:
                self.add_error("class_name", "请填写班级")
        sources = [name for name in ("names", "file", "students_of", "is_invited") if values.get(name)]
        if len(sources) != 1:
            raise forms.ValidationError("名单、文件、班级学员三者选一，或用邀请码")
        try:
            values["trainees"] = self._trainees(values)
        except (ClassAccountsRefused, SheetRefused) as refusal:
            self.add_error(sources[0], refusal.msg)
        return values

    def _trainees(self, values: dict[str, Any]) -> list[Trainee]:
        if values.get("is_invited"):
            return []
        if values.get("students_of"):
            students = class_roster(values["students_of"], only_studying=True)[: MAX_TRAINEES + 1]
            if len(students) > MAX_TRAINEES:
                raise ClassAccountsRefused(f"一次最多 {MAX_TRAINEES} 人")
            return [Trainee(student.name, student.sid) for student in students]
        return names_read(values.get("names") or _text_of(values["file"]))


def _text_of(file: Any) -> str:
    """Return the lines of a file; of a table with a heading 姓名 that column, and 学号 if there is one.

    :raises SheetRefused: see ``sheet_read``.
    """
    rows = dict(sheet_read(file.read()))
    heading = next(iter(rows.values()), [])
    if "姓名" in heading:
        places = [heading.index(name) for name in ("姓名", "学号") if name in heading]
        rows = {number: [row[at] for at in places if at < len(row)] for number, row in rows.items() if row != heading}
    return "\n".join("\t".join(rows.get(number, [])) for number in range(1, max(rows, default=0) + 1))


def classroom_page(request: HttpRequest) -> HttpResponse:
    """Show the classes with accounts, and make, reset or delete a class's accounts."""
    user: Any = request.user
    if not may_teach(user):
        raise PermissionDenied
    require_password(request)
    if request.method == "POST" and "do" in request.POST:
        return _do(request, request.POST["do"], request.POST.get("class_name", "").replace("\x00", ""))
    form = ClassForm(request.POST or None, request.FILES or None, user=user)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        class_name, practice = values["class_name"], values["practice"] or 0
        try:
            with transaction.atomic():
                class_take(user, class_name)
                slips = class_open(class_name, values["trainees"], values["role"], values["scope"], practice)
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
    invitations, ending, faults = invitations_open(now), ending_counts(now), faults_on(name for name, _ in classes)
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
    """Do what a button of the page says; what cannot be taken back only when the page that asks was answered."""
    user: Any = request.user
    is_demo = what in DEMO
    if not (user.is_superuser if is_demo else teaches(user, class_name)):
        raise PermissionDenied if is_demo else Http404
    if what in ASKS and "sure" not in request.POST:
        title, text = ASKS[what]
        return ask(request, title.format(class_name), text, what, class_name)
    trainees, text = trainees_of(user, class_name), ""
    match what:
        case "read_only":
            text = f"{class_name}：{_read_only(class_name, request.POST.get('minutes', ''))}"
        case "invite" if not settings.PRODUCTION:
            text = _invite(request, class_name)
        case "reset":
            if slips := class_accounts_reset(trainees):
                return slips_page(request, class_name, slips)
            text = "这个班没有账号"
        case "end":
            text = (
                f"{class_name}：邀请码已失效，{class_end(class_name=class_name, now=times.now())} 个账号的班级已经结束"
            )
        case "delete":
            terms_forget(class_name=class_name)
            text = f"{class_name}：已删除 {class_accounts_delete(trainees)} 个账号"
        case "demo":
            text = "；".join(demo_reset()())
        case "demo_shop":
            cleared = catalogue_clear(user_pks=[one.pk for one in users_of_class(class_name)], now=times.now())
            text = "；".join([*demo_reset()(), f"{class_name}：下架 {cleared} 个商品和类目"])
        case _:
            raise PermissionDenied
    messages.success(request, text)
    return HttpResponseRedirect(request.path)


def ask(request: HttpRequest, title: str, text: str, do: str, class_name: str = "") -> HttpResponse:
    """Show the page that asks before something that cannot be taken back; it answers with ``sure``."""
    context = {"title": title, "text": text, "do": do, "class_name": class_name}
    return render(request, "lessons/classroom_sure.html", admin.site.each_context(request) | context)


def _invite(request: HttpRequest, class_name: str) -> str:
    texts = [request.POST.get(name, "") for name in ("days", "places")]
    if not all(text.isdecimal() for text in texts):
        return "请填天数和人数"
    days, places = (min(int(text[:4]), MAX_PLACES) for text in texts)
    by = request.user.get_username()
    try:
        row = invitation_make(class_name=class_name, days=days, places=places, by=by, now=times.now())
    except InvitationInvalid:
        return "没有这个班级"
    return f"{class_name}：邀请码 {row.code}，可加入 {row.places} 人"


def _read_only(class_name: str, minutes: str) -> str:
    number, now = int(minutes) if minutes in map(str, READ_ONLY_MINUTES) else 0, times.now()
    read_only_set(class_name, ends_at=now + timedelta(minutes=number), now=now)
    return f"只读 {number} 分钟，到时间自动恢复" if number else "已恢复修改"


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
        "恢复演示数据，并清理 {} 的商城",
        "与“恢复原样”相同，另外下架这个班的账号录入的商品和类目；别的班和其他人的不变，已有的订单保留。",
    ),
}


DEMO = {"demo", "demo_shop"}  # for root alone
