"""WeChat's consent page on the phone, where a developer chooses which person scans. Works without JavaScript."""

import re
import secrets
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from sandbox.faults import faults_on
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind
from sandbox.oauth.grants import MAX_NAME, PEOPLE, Grant, code_make

_SCOPES = {"snsapi_base", "snsapi_userinfo"}
_STATE = re.compile(r"[0-9A-Za-z]{1,128}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Show the persons to choose from. 允许 redirects to ``redirect_uri`` with a code, 拒绝 without one."""
    if refusal := _refusal(request):
        return render(request, "sandbox/oauth.html", {"refusal": refusal})
    has_snapshot = FaultKind.OAUTH_SNAPSHOT in faults_on()
    name = (request.POST.get("other") or request.POST.get("person", "")).strip()[:MAX_NAME]
    match request.POST.get("action"):
        case "deny":
            return _back(request)
        case "allow" if has_snapshot:
            return _back(request, f"微信用户{secrets.token_hex(4)}", is_snapshot=True)
        case _ if name and name.isprintable():
            return _back(request, name)
    context = {"people": PEOPLE, "max_name": MAX_NAME, "is_nobody": request.POST, "has_snapshot": has_snapshot}
    return render(request, "sandbox/oauth.html", context)


def _back(request: HttpRequest, name: str = "", *, is_snapshot: bool = False) -> HttpResponse:
    """Redirect to the app, with the code of the person ``name`` or, if it is empty, without one."""
    query = request.GET
    code = {"code": code_make(Grant(query["appid"], name, query["scope"], is_snapshot))} if name else {}
    parts = urlsplit(query["redirect_uri"])
    text = "&".join(part for part in (parts.query, urlencode(code | {"state": query["state"]})) if part)
    return HttpResponseRedirect(urlunsplit(parts._replace(query=text, fragment="")))


def _refusal(request: HttpRequest) -> str:
    """Return the error that WeChat would show, or "" if the request is right."""
    query = request.GET
    if query.get("appid") != sandbox_values()["WECHAT_APP_ID"]:
        return "AppID 参数错误"
    if query.get("scope") not in _SCOPES:
        return "Scope 参数错误或没有 Scope 权限"
    if not _STATE.fullmatch(query.get("state", "")):
        return "state 参数错误"
    ours = {request.get_host(), urlsplit(settings.PUBLIC_BASE_URL).netloc}
    is_ours = url_has_allowed_host_and_scheme(query.get("redirect_uri", ""), ours)
    return "" if is_ours else "redirect_uri 域名与后台配置不一致"
