"""The API calls of the scan login."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import docs, params
from accounts.api.answers import login_fields
from accounts.errors import CodeInvalid, SidMissing, WechatCodeSpent, WechatSnapshot, WechatSnapshotLeft
from accounts.login_request import login_context
from accounts.models import LoginMethod
from accounts.services.scan_codes import code_make, code_scanned, consent_url, is_open
from accounts.services.scan_login import profile_keep, wechat_login
from accounts.tokens import token_issue
from core.api.access import Access
from core.api.envelope import ok
from core.api.request import absolute_url, client_ip, client_network
from core.api.routing import endpoint
from core.api.views import ApiViewSet
from core.cache import ratelimit
from core.errors import DomainError, Throttled
from sockets.sessions import only_sid_at

CALLBACK = "/users/wechatCallBack"
# For each address, because each call asks WeChat: enough for a whole school, too few to use up WeChat's quota.
LOGINS_A_MINUTE = 1200


class ScanViewSet(ApiViewSet):
    tag = "用户模块"

    @endpoint(
        "GET",
        "/users/getQrcode",
        "获取扫码登入的二维码地址",
        Access.OPEN,
        aliases=("/users/getScancode",),
        docs=docs.QRCODE,
    )
    def get_qrcode(self, request: Request) -> Response:
        return ok(scanCodeUrl=code_make(sid=_sid(request), **_addresses(request)))

    @endpoint("GET", CALLBACK, "微信授权后的跳转页", Access.OPEN, docs=docs.CALLBACK)
    def wechat_call_back(self, request: Request) -> HttpResponse:
        if request.method == "HEAD":
            return HttpResponse()  # link previews send HEAD, which must not use the code up
        is_person = "text/html" in request.headers.get("Accept", "")
        try:
            _take_scan(request, params.CallbackParams.read(request))
        except DomainError as error:
            if not is_person:
                raise
            if isinstance(error, WechatSnapshotLeft):
                state = params.CallbackParams.read(request)["state"]
                return HttpResponseRedirect(consent_url(state=state, **_addresses(request)))
            return _page(request, error)
        return _page(request) if is_person else ok("已扫码")

    @endpoint("GET", "/users/wechatLogin", "微信登入", Access.OPEN, docs=docs.WECHAT_LOGIN)
    def wechat_login(self, request: Request) -> Response:
        values = params.WechatLoginParams.read(request)
        _limit(request)
        context = login_context(request, LoginMethod.WECHAT)
        user = wechat_login(code=values["wechatCode"], context=context)
        return ok("微信登入成功", token=token_issue(user), **login_fields(user, context.now))


def _sid(request: Request) -> str:
    """Return the sid that the client sent. Old clients send none: the sandbox takes the only socket of their address.

    :raises SidMissing: there is no such socket, or more than one.
    """
    sid = params.QrcodeParams.read(request).get("sid", "")
    if not sid and settings.SANDBOX:
        sid = only_sid_at(client_ip(request))
    if not sid:
        raise SidMissing
    return sid


class Declined(CodeInvalid):
    """The person refused on WeChat's page; the QR code can be scanned again."""


def _take_scan(request: Request, values: dict[str, Any]) -> None:
    state, code = values["state"], values.get("code")
    if not is_open(state):
        raise CodeInvalid
    if code is None:
        raise Declined
    _limit(request)
    try:
        profile_keep(code=code)
    except WechatSnapshot:
        raise  # the QR code stays open, because the phone comes back with another code
    except WechatCodeSpent:
        raise CodeInvalid from None
    code_scanned(state=state, wechat_code=code)


def _limit(request: Request) -> None:
    """Count a question to WeChat, from whichever call.

    :raises Throttled: there were too many from the caller's network.
    """
    if wait_s := ratelimit.hit(f"wechat-login:{client_network(request)}", limit=LOGINS_A_MINUTE, window_s=60):
        raise Throttled(wait_s)


def _page(request: Request, error: DomainError | None = None) -> HttpResponse:
    context = {
        "error": error,
        "is_declined": isinstance(error, Declined),
        "is_snapshot": isinstance(error, WechatSnapshot),
    }
    response = render(request, "accounts/wechat_callback.html", context)
    response.headers["Referrer-Policy"] = "no-referrer"  # the page's URL contains code and state
    response.headers["Cache-Control"] = "no-store"
    return response


def _addresses(request: Request) -> dict[str, str]:
    return {"callback_url": absolute_url(request, CALLBACK), "oauth_base_url": _oauth_base(request)}


def _oauth_base(request: Request) -> str:
    """Return the base URL of WeChat's consent page.

    That of the sandbox begins with the address by which the client reached us, so that a phone can open it too.
    """
    base, own = settings.WECHAT_OAUTH_BASE_URL, settings.PUBLIC_BASE_URL
    return absolute_url(request, base.removeprefix(own)) if base.startswith(f"{own}/") else base
