"""The phone of an account: its login, messages, what it has to pay and has paid, and its codes for mini programs."""

from typing import Any

from django.db.models import Q
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
from accounts.services.attempts import Outcome, attempt_record
from accounts.services.login import password_verify
from core.ids import storable
from core.times import format_office_time
from sandbox.callers import PHONE_COOKIE, PHONE_FOR_S, Caller, caller_of, is_this_machine, phone_cookie, phone_of
from sandbox.control.pages import codes_open
from sandbox.keys import sandbox_values
from sandbox.models import Refund, TextMessage, Trade
from sandbox.pay.pages import twin_url
from sandbox.pay.trades import PAYER
from sandbox.wechat import CODE_TTL_S, MAX_NAME, MINI_SCOPE, Grant, grant_code_make, person_of

ROWS, SMS_ROWS = 20, 50
_COOKIE_PATH = "/sandbox/"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def phone(request: HttpRequest) -> HttpResponse:
    """Show the account's phone; without one the form that logs in, whose ``next`` says where to go then."""
    if "leave" in request.POST:
        response: HttpResponse = redirect("sandbox:phone")
        response.delete_cookie(PHONE_COOKIE, path=_COOKIE_PATH)
        return response
    if request.method == "POST":
        return _enter(request)
    user = phone_of(request)
    return _page(request) if user is None else render(request, "sandbox/phone.html", _content(user))


def _enter(request: HttpRequest) -> HttpResponse:
    try:
        user = _user(request)
    except (CredentialsWrong, TooManyFailures) as refusal:
        return _page(request, refusal.msg, status=refusal.http_status)
    response = HttpResponseRedirect(_next(request))
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


def _next(request: HttpRequest) -> str:
    """Return the page of the sandbox to which the form leads, else the phone."""
    there = request.POST.get("next", "")
    is_ours = there.startswith("/sandbox/") and url_has_allowed_host_and_scheme(there, None)
    return there if is_ours else reverse("sandbox:phone")


def _page(request: HttpRequest, refusal: str = "", *, status: int = 200) -> HttpResponse:
    there = request.POST.get("next") or request.GET.get("next", "")
    context = {"refusal": refusal, "next": there, "is_here": is_this_machine(request)}
    return render(request, "sandbox/phone_login.html", context, status=status)


def _content(user: User) -> dict[str, Any]:
    own = Caller(sees_all=False, user=user)
    person, values = person_of(user), sandbox_values()
    openids = [person.openid(values[name]) for name in ("WECHAT_APP_ID", "WECHAT_MINI_APP_ID")]
    # Own orders that somebody paid who was not logged in on a phone count as paid by their buyer.
    paid = Trade.objects.filter(Q(openid__in=openids) | own.orders() & Q(openid=PAYER), paid_at__isnull=False)
    return {
        "owner": user,
        "openid": openids[0],
        "unionid": person.unionid,
        "messages_": messages_newest(own, rows=ROWS),
        "codes": [(code.trade, twin_url(code)) for code in codes_open(own)[:ROWS]],
        "paid": paid.order_by("-paid_at")[:ROWS],
        "refunds": Refund.objects.filter(trade__in=paid.order_by().values("pk")).select_related("trade")[:ROWS],
    }


@never_cache
@require_safe
def mini_code(request: HttpRequest) -> JsonResponse:
    """Return a code as ``wx.login`` gives one: ``{"code", "expires_in"}``, of the account of the token or the phone.

    On this machine ``?person=`` names one of WeChat's people, or a new one, instead.
    """
    appid, name = sandbox_values()["WECHAT_MINI_APP_ID"], request.GET.get("person", "").strip()[:MAX_NAME]
    if name and name.isprintable() and is_this_machine(request):
        grant = Grant(appid, name, MINI_SCOPE)
    elif user := caller_of(request).user:
        grant = Grant.of_phone(user, appid=appid, scope=MINI_SCOPE)
    else:
        return JsonResponse({"error": "log in at /sandbox/phone/, or send a token"}, status=403)
    return JsonResponse({"code": grant_code_make(grant), "expires_in": CODE_TTL_S})


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
    rows = [
        {"phone": message.phone, "code": message.code, "text": message.text, "at": format_office_time(message.at)}
        for message in messages_newest(caller_of(request), request.GET.get("phone", "").strip())
    ]
    return JsonResponse(rows, safe=False, json_dumps_params={"ensure_ascii": False})


def messages_newest(caller: Caller, phone: str = "", rows: int = SMS_ROWS) -> list[TextMessage]:
    """Return the newest messages that the caller may read, to ``phone`` alone if it is given."""
    messages = TextMessage.objects.filter(caller.messages()).order_by("-pk")
    if phone:
        messages = messages.filter(phone=phone) if phone.isascii() and phone.isdigit() else messages.none()
    return list(messages[:rows])
