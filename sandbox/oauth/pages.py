"""WeChat's consent page on the phone, where a developer chooses which person scans. Works without JavaScript."""

import re
import secrets
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from sandbox.faults import faults_on
from sandbox.keys import sandbox_settings
from sandbox.models import FaultKind
from sandbox.oauth.grants import Grant, code_make
from sandbox.oauth.people import MAX_NAME, PEOPLE, person_named

_SCOPES = {"snsapi_base", "snsapi_userinfo"}
_STATE = re.compile(r"[0-9A-Za-z]{1,128}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """Show the persons to choose from. 允许 redirects to ``redirect_uri`` with a code, 拒绝 without one."""
    refusal = _refusal(request)
    if refusal:
        return render(request, "sandbox/oauth.html", {"refusal": refusal})
    if request.method == "POST":
        return _decide(request)
    return _form(request)


def _form(request: HttpRequest, *, is_nobody: bool = False) -> HttpResponse:
    context = {"people": PEOPLE, "max_name": MAX_NAME, "is_nobody": is_nobody, "has_snapshot": _has_snapshot()}
    return render(request, "sandbox/oauth.html", context)


def _has_snapshot() -> bool:
    return FaultKind.OAUTH_SNAPSHOT in faults_on()


def _decide(request: HttpRequest) -> HttpResponse:
    query = request.GET
    if request.POST.get("action") == "allow" and _has_snapshot():
        virtual = Grant(query["appid"], f"微信用户{secrets.token_hex(4)}", query["scope"], is_snapshot=True)
        return _back(query["redirect_uri"], code=code_make(virtual), state=query["state"])
    if request.POST.get("action") == "deny":
        return _back(query["redirect_uri"], state=query["state"])
    person = person_named(request.POST.get("other") or request.POST.get("person", ""))
    if person is None:
        return _form(request, is_nobody=True)
    code = code_make(Grant(query["appid"], person.name, query["scope"]))
    return _back(query["redirect_uri"], code=code, state=query["state"])


def _back(redirect_uri: str, **more: str) -> HttpResponse:
    parts = urlsplit(redirect_uri)
    query = "&".join(part for part in (parts.query, urlencode(more)) if part)
    return HttpResponseRedirect(urlunsplit(parts._replace(query=query, fragment="")))


def _refusal(request: HttpRequest) -> str:
    """Return the error that WeChat would show, or "" if the request is right."""
    query = request.GET
    known = sandbox_settings(Path(settings.STATE_DIR) / "sandbox")
    if query.get("appid") != known["WECHAT_APP_ID"]:
        return "AppID 参数错误"
    if query.get("response_type") != "code":
        return "response_type 参数错误"
    if query.get("scope") not in _SCOPES:
        return "Scope 参数错误或没有 Scope 权限"
    if not _STATE.fullmatch(query.get("state", "")):
        return "state 参数错误"
    if not _is_ours(request, query.get("redirect_uri", "")):
        return "redirect_uri 域名与后台配置不一致"
    # WeChat insists on the order of the parameters.
    names = list(parse_qs(request.META["QUERY_STRING"]))
    return "" if names == ["appid", "redirect_uri", "response_type", "scope", "state"] else "参数顺序错误"


def _is_ours(request: HttpRequest, redirect_uri: str) -> bool:
    try:
        parts = urlsplit(redirect_uri)
    except ValueError:
        return False
    known = {request.get_host(), urlsplit(settings.PUBLIC_BASE_URL).netloc}
    return parts.scheme in {"http", "https"} and parts.netloc in known
