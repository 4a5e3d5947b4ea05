"""Joining a class by its invitation: a call, and a page for people who have no client yet."""

from typing import Any

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from rest_framework.request import Request

from accounts import errors
from accounts.api import docs
from accounts.api.params import OneLine, Password
from accounts.api.rows import login_fields
from accounts.api.views import CAPTCHA_COOKIE
from accounts.captcha import CaptchaAnswer, captcha_make
from accounts.login_request import device_remember, login_context
from accounts.models import LoginMethod, User
from accounts.services.login import login_complete
from accounts.services.login_records import LoginContext
from accounts.tokens import token_issue
from core.api.access import Access
from core.api.endpoint import ApiViewSet, Doc, Endpoint
from core.api.envelope import Envelope, ok
from core.api.params import Params, PlainText
from core.api.request import absolute_url
from core.errors import DomainError, Throttled
from practice.errors import InvitationInvalid
from practice.services import CODE_PATTERN, account_join, code_of


class JoinParams(Params):
    error_if_missing = errors.RegistrationIncomplete

    invite = PlainText(required=False, default="", help_text="老师给的 8 位邀请码,不区分大小写")
    username = OneLine(max_length=64, help_text="用户名")
    password = Password(help_text="密码")
    nickname = OneLine(max_length=64, help_text="姓名")
    captcha = PlainText(required=False, default="", help_text="没有邀请码、而服务器允许自己开账号时才需要")
    key = PlainText(required=False, default="", help_text="getCaptcha 返回的 key;带 cookie 的客户端可以不传")


JOIN = Doc(
    params=JoinParams,
    send={"invite": "H7KM3XQ9", "username": "lilei", "password": "kai-ge-2026", "nickname": "李雷"},
    ok=docs.LOGIN.successes[0],
    records=docs.LOGIN_RECORDS,
    failures=[InvitationInvalid, errors.UsernameTaken, docs.TOO_WEAK, errors.CaptchaWrong, Throttled(30)],
    about="用老师的邀请码给自己开一个账号,开好就已登入,返回值与登入相同。正式服务器上没有这个接口。",
)


class JoinViewSet(ApiViewSet):
    tag = "用户模块"

    @Endpoint("POST", "/users/join", "凭邀请码开账号", Access.OPEN, docs=JOIN)
    def join(self, request: Request) -> Envelope:
        user, context = _join(request, request.data)
        response = ok("登入成功", status=1, token=token_issue(user), **login_fields(user, context.now))
        device_remember(request, response, user)
        return response


def _join(request: Request | HttpRequest, form: Any) -> tuple[User, LoginContext]:
    values = JoinParams.checked(form)
    captcha = CaptchaAnswer(values.pop("key") or request.COOKIES.get(CAPTCHA_COOKIE, ""), values.pop("captcha"))
    context = login_context(request, LoginMethod.API)
    user = account_join(**values, captcha=captcha, network=context.network, now=context.now)
    login_complete(user=user, context=context)
    return user, context


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join_page(request: HttpRequest) -> HttpResponse:
    """Show the form for a phone, which needs no script; a code in the address fills it in and shows the QR code."""
    context: dict[str, Any] = {"values": request.POST or request.GET, "error": None}
    if request.method == "POST":
        try:
            context["joined"], _ = _join(request, request.POST)
        except DomainError as refusal:
            context["error"] = refusal
    else:
        code = code_of(request.GET.get("invite", ""))
        if CODE_PATTERN.fullmatch(code):
            address = absolute_url(request, f"{request.path}?invite={code}")
            qr = segno.make_qr(address, error="m").svg_data_uri(omitsize=True, border=2, light="#fff")
            context |= {"code": code, "qr": qr}
    if settings.PRACTICE_OPEN and "joined" not in context:
        key, drawing = captcha_make()
        context |= {"key": key, "drawing": mark_safe(drawing)}  # noqa: S308  (our own drawing)
    context["base"] = absolute_url(request, "")
    refused: DomainError | None = context["error"]
    response = render(request, "practice/join.html", context, status=refused.http_status if refused else 200)
    for name, value in (refused.headers if refused else {}).items():
        response[name] = value
    return response
