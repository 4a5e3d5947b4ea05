"""The phone of an account: its login, bill and messages, what it allows by a scan, and its codes for mini programs.

Whoever has logged in on the phone scans as that account. On this machine a developer may also choose another account,
one of WeChat's own people, or a new person.
"""

import re
import secrets
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import CredentialsWrong, TooManyFailures
from accounts.login_request import login_context
from accounts.models import LoginMethod, User
from accounts.services.login import password_verify
from accounts.services.login_records import Outcome, attempt_record
from core.ids import storable
from core.times import format_office_time
from sandbox import wechat
from sandbox.callers import PHONE_COOKIE, PHONE_FOR_S, Caller, caller_of, is_this_machine, phone_cookie, phone_of
from sandbox.faults import faults_on
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind, Refund, TextMessage, Trade
from sandbox.pages import trades_waiting
from sandbox.pay.trades import PAYER

ROWS, SMS_ROWS = 20, 50
MAX_LISTED = 500
_COOKIE_PATH = "/sandbox/"
_OWN = "@phone"  # the choice that stands for the account of the phone
_STATE = re.compile(r"[0-9A-Za-z]{1,128}")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def phone(request: HttpRequest) -> HttpResponse:
    """Show the account's phone; without one the form that logs in, whose ``next`` says where to go then."""
    if "leave" in request.POST:
        response: HttpResponse = redirect("sandbox:phone")
        response.delete_cookie(PHONE_COOKIE, path=_COOKIE_PATH)
        return response
    refusal, user = None, phone_of(request)
    there = request.POST.get("next") or request.GET.get("next", "")
    if request.method == "POST":
        try:
            return _entered(request, _user(request), there)
        except (CredentialsWrong, TooManyFailures) as refused:
            refusal = refused
    elif user:
        return render(request, "sandbox/phone.html", _content(user))
    context = {"refusal": refusal, "next": there, "is_here": is_this_machine(request)}
    return render(request, "sandbox/phone_login.html", context, status=refusal.http_status if refusal else 200)


def _user(request: HttpRequest) -> User:
    """Return who logs in, as ``password_verify`` does; on this machine the name is enough."""
    username, password = storable(request.POST.get("username", "")), request.POST.get("password", "")
    if not password and is_this_machine(request):
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CredentialsWrong
        return user
    context = login_context(request, LoginMethod.API)
    user = password_verify(username=username, password=password, context=context)
    attempt_record(context, outcome=Outcome.DONE, username=user.username)
    return user


def _entered(request: HttpRequest, user: User, there: str) -> HttpResponse:
    """Log in on the phone, and lead to the page of the sandbox that the form names, else to the phone."""
    is_ours = there.startswith("/sandbox/") and url_has_allowed_host_and_scheme(there, None)
    response = HttpResponseRedirect(there if is_ours else reverse("sandbox:phone"))
    response.set_cookie(
        PHONE_COOKIE,
        phone_cookie(user),
        max_age=PHONE_FOR_S,
        path=_COOKIE_PATH,
        httponly=True,
        secure=request.is_secure(),
        samesite="Lax",
    )
    return response


def _content(user: User) -> dict[str, Any]:
    own, values = Caller(sees_all=False, user=user), sandbox_values()
    openids = [wechat.openid_of(user, values[name]) for name in ("WECHAT_APP_ID", "WECHAT_MINI_APP_ID")]
    # Own orders that somebody paid who was not logged in on a phone count as paid by their buyer.
    paid = Trade.objects.filter(Q(openid__in=openids) | own.orders() & Q(openid=PAYER), paid_at__isnull=False)
    return {
        "owner": user,
        "openid": openids[0],
        "unionid": wechat.unionid_of(user),
        "messages_": messages_newest(own)[:ROWS],
        "waiting": trades_waiting(own)[:ROWS],
        "paid": paid.order_by("-paid_at")[:ROWS],
        "refunds": Refund.objects.filter(trade__in=paid.order_by().values("pk")).select_related("trade")[:ROWS],
    }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Show the persons to choose from. 允许 redirects to ``redirect_uri`` with a code, 拒绝 without one."""
    if refusal := _refusal(request):
        return render(request, "sandbox/oauth.html", {"refusal": refusal})
    phone, may_choose = phone_of(request), is_this_machine(request)
    if phone is None and not may_choose:
        return redirect(f"{reverse('sandbox:phone')}?{urlencode({'next': request.get_full_path()})}")
    action, has_snapshot = request.POST.get("action"), FaultKind.OAUTH_SNAPSHOT in faults_on()
    if action == "deny":
        return _back(request)
    if action and (grant := _grant(request, phone, may_choose, is_snapshot=has_snapshot and action == "allow")):
        return _back(request, code=wechat.grant_code_make(grant))
    # The accounts of classes: user name, name and class.
    users = User.objects.exclude(class_name="").filter(is_active=True).order_by("class_name", "pk")
    context = {
        "people": wechat.people() if may_choose else (),
        "usernames": users.values_list("username", "nickname", "class_name")[:MAX_LISTED] if may_choose else (),
        "phone": phone,
        "own": _OWN,
        "max_name": wechat.MAX_NAME,
        "is_nobody": request.POST,
        "has_snapshot": has_snapshot,
    }
    return render(request, "sandbox/oauth.html", context)


def _grant(request: HttpRequest, phone: User | None, may_choose: bool, *, is_snapshot: bool) -> wechat.Grant | None:
    """Return what the phone's account allows, or whom a developer has chosen; None if that is nobody."""
    app = request.GET["appid"], request.GET["scope"]
    if is_snapshot:
        return wechat.grant_of_name(f"微信用户{secrets.token_hex(4)}", *app, is_snapshot=True)
    chosen = {name: storable(request.POST.get(name, ""), 150) for name in ("account", "other", "person")}
    name = (chosen["other"] or chosen["person"])[: wechat.MAX_NAME]
    if may_choose and chosen["account"]:
        phone = User.objects.filter(username=chosen["account"], is_active=True).first()
    elif may_choose and name != _OWN:
        return wechat.grant_of_name(name, *app) if name and name.isprintable() else None
    return wechat.grant_of_user(phone, *app) if phone else None


def _back(request: HttpRequest, **code: str) -> HttpResponse:
    """Redirect to the app, with a code or with none."""
    parts = urlsplit(request.GET["redirect_uri"])
    query = "&".join(part for part in (parts.query, urlencode(code | {"state": request.GET["state"]})) if part)
    return HttpResponseRedirect(urlunsplit(parts._replace(query=query, fragment="")))


def _refusal(request: HttpRequest) -> str:
    """Return the error that WeChat would show, or "" if the request is right."""
    query = request.GET
    if query.get("appid") != sandbox_values()["WECHAT_APP_ID"]:
        return "AppID 参数错误"
    if query.get("scope") not in {"snsapi_base", "snsapi_userinfo"}:
        return "Scope 参数错误或没有 Scope 权限"
    if not _STATE.fullmatch(query.get("state", "")):
        return "state 参数错误"
    ours = {request.get_host(), urlsplit(settings.PUBLIC_BASE_URL).netloc}
    is_ours = url_has_allowed_host_and_scheme(query.get("redirect_uri", ""), ours)
    return "" if is_ours else "redirect_uri 域名与后台配置不一致"


@never_cache
@require_safe
def mini_code(request: HttpRequest) -> JsonResponse:
    """Return a code as ``wx.login`` gives one: ``{"code", "expires_in"}``, of the account of the token or the phone.

    On this machine ``?person=`` names one of WeChat's people, or a new one, instead.
    """
    app = sandbox_values()["WECHAT_MINI_APP_ID"], wechat.MINI_SCOPE
    name = request.GET.get("person", "").strip()[: wechat.MAX_NAME]
    if name and name.isprintable() and is_this_machine(request):
        grant = wechat.grant_of_name(name, *app)
    elif user := caller_of(request).user:
        grant = wechat.grant_of_user(user, *app)
    else:
        return JsonResponse({"error": "log in at /sandbox/phone/, or send a token"}, status=403)
    return JsonResponse({"code": wechat.grant_code_make(grant), "expires_in": wechat.CODE_TTL_S})


@never_cache
@require_safe
def sms(request: HttpRequest) -> HttpResponse:
    """Show the newest messages, or only those to ``?phone=``."""
    number, caller = request.GET.get("phone", "").strip(), caller_of(request)
    context = {"messages_": messages_newest(caller, number), "phone": number, "caller": caller}
    return render(request, "sandbox/sms.html", context)


@never_cache
@require_safe
def messages(request: HttpRequest) -> JsonResponse:
    """Return the newest messages, newest first: ``[{"phone", "code", "text", "at"}]``."""
    newest = messages_newest(caller_of(request), request.GET.get("phone", "").strip())
    rows = newest.values("phone", "code", "text", "at")
    content = [row | {"at": format_office_time(row["at"])} for row in rows]
    return JsonResponse(content, safe=False, json_dumps_params={"ensure_ascii": False})


def messages_newest(caller: Caller, phone: str = "") -> QuerySet[TextMessage]:
    """Return the newest messages that the caller may read, to ``phone`` alone if it is given."""
    number = Q(phone=storable(phone)) if phone else Q()
    return TextMessage.objects.filter(caller.messages(), number)[:SMS_ROWS]
