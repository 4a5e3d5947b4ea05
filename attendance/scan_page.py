"""The page behind the projected code: a phone that scans it signs there, without JavaScript.

The scan is kept in a signed cookie for two minutes, in which one may log in; so the address is of no use to
anybody who is not there. Another cookie remembers who signs with this phone: it opens this page alone, and ends with
the password.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.crypto import constant_time_compare, get_random_string
from django.views.decorators.csrf import csrf_protect

from accounts.errors import WechatCodeSpent
from accounts.login_request import device_of, device_remember, login_context, wechat_addresses
from accounts.models import LoginMethod, User
from accounts.services.login import login_complete, password_verify
from accounts.services.scan_codes import consent_url
from accounts.services.scan_login import profile_limit, wechat_verify
from attendance.codes import code_read
from attendance.errors import CodeExpired
from attendance.services import session_sign
from core import times
from core.api.request import client_network
from core.errors import DomainError

SCAN_FOR = timedelta(minutes=2)
SIGNER_FOR = timedelta(days=30)
PHONE_PATH, WECHAT_PATH = "/attendance/phone/", "/attendance/phone/wechat/"
_SCAN, _SIGNER, _STATE = "attendance_scan", "attendance_signer", "attendance_state"


@csrf_protect
def scanned_page(request: HttpRequest) -> HttpResponse:
    """Keep the scan of the code in the address, and ask who signs."""
    now = times.now()
    pk = code_read(request.GET.get("code", ""), now)
    if not pk:  # the page may have been loaded again
        return _asking(request)
    response = _page(request)
    _keep(request, response, _SCAN, f"{pk}:{now.timestamp()}", SCAN_FOR)
    if not device_of(request):
        device_remember(request, response)
    return response


def sign_page(request: HttpRequest) -> HttpResponse:
    """Sign as who this phone remembers, or as who logs in by name and password."""
    if request.method != "POST":
        return _asking(request)
    if "other" in request.POST:
        response = _page(request, signer=None)
        response.delete_cookie(_SIGNER, path="/attendance/")
        return response
    try:
        user = _log_in(request) if "username" in request.POST else _signer(request)
        return _signed(request, user) if user else _page(request)  # the password was changed since
    except DomainError as error:
        return _page(request, error=error)


def wechat_page(request: HttpRequest) -> HttpResponse:
    """Send the phone to WeChat, and sign as whoever comes back."""
    code, state = (request.GET.get(name, "").replace("\x00", "") for name in ("code", "state"))
    if not state:
        state = get_random_string(32)
        away = HttpResponseRedirect(consent_url(state=state, **wechat_addresses(request, WECHAT_PATH)))
        _keep(request, away, _STATE, state, SCAN_FOR)
        return away
    # Else another person's answer of WeChat could be slipped to this phone, which would sign for that person.
    if not code or not constant_time_compare(state, _kept(request, _STATE, SCAN_FOR)):
        return _page(request, error=WechatCodeSpent())
    try:
        profile_limit(client_network(request))
        context = login_context(request, LoginMethod.WECHAT)
        user = wechat_verify(code=code, context=context)
        login_complete(user=user, context=context)
        response = _signed(request, user)
    except DomainError as error:
        response = _page(request, error=error)
    response.delete_cookie(_STATE, path="/attendance/")
    return response


def _log_in(request: HttpRequest) -> User:
    username, password = (request.POST.get(name, "").replace("\x00", "") for name in ("username", "password"))
    context = login_context(request, LoginMethod.API)
    user = password_verify(username=username.strip(), password=password, context=context)
    login_complete(user=user, context=context)
    return user


def _signed(request: HttpRequest, user: User) -> HttpResponse:
    now = times.now()
    pk, at = _scan(request)
    record = session_sign(pk=pk, user_pk=user.pk, device=device_of(request), at=at, now=now)
    response = _page(request, record=record)
    _keep(request, response, _SIGNER, f"{user.epoch}:{user.unid}", SIGNER_FOR)
    device_remember(request, response, user)
    return response


def _asking(request: HttpRequest) -> HttpResponse:
    return _page(request, error=None if _scan(request)[0] else CodeExpired())


def _page(request: HttpRequest, *, error: DomainError | None = None, **more: Any) -> HttpResponse:
    context = {
        "error": error,
        "is_over": isinstance(error, CodeExpired),
        "signer": _signer(request),
        "has_wechat": bool(settings.WECHAT_APP_ID),
        "action": PHONE_PATH,
        "wechat": WECHAT_PATH,
    }
    response = render(request, "attendance/phone.html", context | more)
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response


# --- What the phone keeps ---
def _scan(request: HttpRequest) -> tuple[int, datetime]:
    """Return the session's key and the moment of a scan of the last two minutes; without one 0, which is no key."""
    pk, _, seconds = _kept(request, _SCAN, SCAN_FOR).partition(":")
    at = datetime.fromtimestamp(float(seconds or 0), UTC)
    return (int(pk), at) if times.now() - at < SCAN_FOR else (0, at)


def _signer(request: HttpRequest) -> User | None:
    epoch, _, unid = _kept(request, _SIGNER, SIGNER_FOR).partition(":")
    return User.objects.filter(unid=unid, epoch=epoch, is_active=True).first() if unid else None


def _keep(request: HttpRequest, response: HttpResponse, name: str, value: str, age: timedelta) -> None:
    where: dict[str, Any] = {"path": "/attendance/", "secure": request.is_secure(), "httponly": True, "samesite": "Lax"}
    response.set_signed_cookie(name, value, max_age=age, **where)


def _kept(request: HttpRequest, name: str, age: timedelta) -> str:
    return request.get_signed_cookie(name, default="", max_age=age) or ""
