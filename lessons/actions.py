"""What the buttons of 课堂 and of 这节课 do, for a whole class or for one of its accounts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render

from accounts.models import User
from accounts.services.class_accounts import class_accounts_delete, class_accounts_reset
from core import times
from core.admin.buttons import SURE
from core.admin.password import require_password
from core.ids import pk_of, storable
from lessons.class_switches import MINUTES, PRESETS, fault_set, faults_end
from lessons.selectors import teacher_names, teaches, trainees_of
from lessons.services import demo_reset, plan_set, teacher_add
from lessons.slips import slips_page
from permissions.gate import read_only_set
from practice.errors import InvitationInvalid
from practice.selectors import practice_students
from practice.services import entries_clear, entries_count, invitation_make, practice_class_end, terms_forget
from shop.services.catalogue import catalogue_clear
from students.invented import practice_add

_ENTERED = "{} 名学员、{} 个商品和类目、{} 场考勤、{} 间宿舍"
READ_ONLY_MINUTES = (15, 30, 45, 60, 90, 120)


@dataclass(frozen=True)
class Click:
    """A button that was pressed, for all ``trainees`` of a class or for one ``trainee``.

    The methods that ``ACTIONS`` names do it. They return the sentence about what was done, or a page of its own.

    :raises ValidationError: a button cannot do what it says; the text says why.
    """

    request: HttpRequest
    class_name: str
    trainees: QuerySet[User]
    trainee: User | None

    def field(self, name: str) -> str:
        return storable(self.request.POST.get(name, ""))

    @property
    def pks(self) -> list[int]:
        return list(self.trainees.values_list("pk", flat=True))

    def worded(self, text: str) -> str:
        """Put the names of the class and of the account into a text."""
        who, account = f"{self.class_name} 全班", "每个账号"
        if self.trainee:
            who, account = self.trainee.nickname, self.trainee.username
        return text.format(class_name=self.class_name, who=who, account=account)

    def read_only(self) -> str:
        text, now = self.field("minutes"), times.now()
        minutes = int(text) if text in map(str, READ_ONLY_MINUTES) else 0
        read_only_set(self.class_name, ends_at=now + timedelta(minutes=minutes), now=now)
        return f"{self.class_name}：" + (f"只读 {minutes} 分钟，到时间自动恢复" if minutes else "已恢复修改")

    def invite(self) -> str:
        if settings.PRODUCTION:
            raise PermissionDenied
        texts = [self.field(name) for name in ("days", "places")]
        if not all(text.isdecimal() for text in texts):
            raise ValidationError("请填天数和人数")
        days, places = (int(text[:4]) for text in texts)
        by = self.request.user.get_username()
        try:
            row = invitation_make(class_name=self.class_name, days=days, places=places, by=by, now=times.now())
        except InvitationInvalid:
            raise ValidationError("没有这个班级") from None
        return f"{self.class_name}：邀请码 {row.code}，可加入 {row.places} 人"

    def reset(self) -> str | HttpResponse:
        slips = class_accounts_reset(self.trainees)
        return slips_page(self.request, self.class_name, slips) if slips else "这个班没有账号"

    def end(self) -> str:
        number = practice_class_end(class_name=self.class_name, now=times.now())
        return f"{self.class_name}：邀请码已失效，{number} 个账号的班级已经结束"

    def delete(self) -> str:
        terms_forget(class_name=self.class_name)
        return f"{self.class_name}：已删除 {class_accounts_delete(self.trainees)} 个账号"

    def demo(self) -> str:
        return "；".join(demo_reset()())

    def demo_shop(self) -> str:
        number = catalogue_clear(user_pks=self.pks, now=times.now())
        return f"{self.demo()}；{self.class_name}：下架 {number} 个商品和类目"

    def clear(self, *, keeps_practice: bool) -> str:
        pks, now, actor_pk = self.pks, times.now(), self.request.user.pk
        cleared = entries_clear(user_pks=pks, actor_pk=actor_pk, now=now, keeps_practice=keeps_practice)
        if not keeps_practice:
            practice_add(user_pks=pks, number=practice_students(self.class_name), now=now)
        return f"已清空 {_ENTERED.format(*cleared)}"

    def entered(self, *, keeps_practice: bool) -> str:
        return _ENTERED.format(*entries_count(self.pks, keeps_practice=keeps_practice))

    def fault(self) -> str:
        name, minutes = self.field("preset"), self.field("minutes")
        if not settings.SANDBOX or name not in PRESETS or minutes not in map(str, MINUTES):
            raise ValidationError("没有这个故障")
        fault_set(self.trainees, name, minutes=int(minutes), now=times.now())
        return f"{self.class_name}：{name} {minutes} 分钟"

    def fault_off(self) -> str:
        faults_end(self.trainees)
        return f"{self.class_name}：故障已关闭"

    def plan(self) -> str:
        try:
            chosen = self.request.POST.getlist("checkpoints")
            names, _ = plan_set(class_name=self.class_name, checkpoints=chosen, until=self.field("until"))
        except ValueError:
            raise ValidationError("检查点或日期不对") from None
        return f"{self.class_name}：{len(names)} 个检查点"

    def teacher(self, *, is_handed_over: bool) -> str:
        name = self.field("username")
        if not teacher_add(class_name=self.class_name, username=name, is_handed_over=is_handed_over):
            raise ValidationError("没有这位老师：要有后台账号和“课堂”的权限")
        return f"{self.class_name} 的老师：{'、'.join(teacher_names(self.class_name))}"


@dataclass(frozen=True)
class Action:
    """What a button does, with title and text of the page that asks before what cannot be taken back."""

    run: Callable[[Click], str | HttpResponse]
    title: str = ""
    text: str = ""
    entered: Callable[[Click], str] = lambda click: ""  # what goes, for that page
    needs_password: bool = True
    is_for_root: bool = False


_CLEARED = "他们录入的学员、考勤和宿舍将被删除，录入的商品和类目将下架，不能恢复。{}账号、订单和别人录入的数据不变。"
ACTIONS = {
    "read_only": Action(Click.read_only),
    "invite": Action(Click.invite),
    "end": Action(
        Click.end,
        "结束 {class_name} 的课",
        "邀请码立即失效，账号还能用。在练习服务器上，两周后清空并删除全班的账号；再发邀请码就继续上课。",
    ),
    "reset": Action(
        Click.reset,
        "重设 {class_name} 全班的密码",
        "每个账号得到新密码，原来的密码和登入立即失效。新的账号条随后显示，请当场打印。",
    ),
    "password": Action(
        Click.reset,
        "给 {who} 新密码",
        "{account} 得到新密码，原来的密码和登入立即失效。新的账号条随后显示。",
    ),
    "delete": Action(
        Click.delete,
        "删除 {class_name} 的全部账号",
        "账号、购物车和头像将被删除，不能恢复；他们的订单和日志保留，录入的学员和商品也保留，从此算作学校的，除非先在“这节课”清空。",
    ),
    "demo": Action(
        Click.demo,
        "恢复演示账号和演示数据",
        "演示账号（lbw、zhuguan、yuangong）的密码和资料、演示学员和演示商品恢复原样；其他人的数据不变。",
        is_for_root=True,
    ),
    "demo_shop": Action(
        Click.demo_shop,
        "恢复演示数据，并清理 {class_name} 的商城",
        "与“恢复原样”相同，另外下架这个班的账号录入的商品和类目；别的班和其他人的不变，已有的订单保留。",
        is_for_root=True,
    ),
    "keep": Action(
        partial(Click.clear, keeps_practice=True),
        "清空 {who} 录入的数据",
        _CLEARED.format("没有改过的练习学员不变。"),
        partial(Click.entered, keeps_practice=True),
        needs_password=False,
    ),
    "renew": Action(
        partial(Click.clear, keeps_practice=False),
        "清空 {who} 录入的数据",
        _CLEARED.format("练习学员换成新的一份。"),
        partial(Click.entered, keeps_practice=False),
        needs_password=False,
    ),
    "fault": Action(Click.fault, needs_password=False),
    "fault_off": Action(Click.fault_off, needs_password=False),
    "plan": Action(Click.plan, needs_password=False),
    "teacher": Action(partial(Click.teacher, is_handed_over=False), needs_password=False),
    "hand_over": Action(partial(Click.teacher, is_handed_over=True), needs_password=False, is_for_root=True),
}


def action_do(request: HttpRequest, do: str, class_name: str) -> HttpResponse:
    """Do what a button says, by the name of an action and, for one account, its key: ``keep all``, ``keep 7``."""
    user: Any = request.user
    name, _, whom = do.partition(" ")
    action = ACTIONS.get(name)
    if action and action.is_for_root and not user.is_superuser:
        raise PermissionDenied
    if action is None or not (action.is_for_root or teaches(user, class_name)):
        raise Http404
    trainees, trainee = trainees_of(user, class_name), None
    if whom not in ("", "all"):
        trainees = trainees.filter(pk=pk_of(whom))
        trainee = get_object_or_404(trainees)
    click = Click(request, class_name, trainees, trainee)
    if action.needs_password:
        require_password(request)
    if action.title and SURE not in request.POST:
        title, text = map(click.worded, (action.title, action.text))
        posted = [("do", do), ("class_name", class_name), (SURE, 1)]
        context = {"title": title, "text": text, "sum": action.entered(click), "posted": posted, "is_grave": True}
        return render(request, "backoffice/sure.html", admin.site.each_context(request) | context)
    try:
        done = action.run(click)
    except ValidationError as refusal:
        messages.error(request, refusal.message)
    else:
        if isinstance(done, HttpResponse):
            return done
        messages.success(request, done)
    return HttpResponseRedirect(request.path)
