"""WeChat's consent page on the phone. Works without JavaScript.

Whoever has logged in on the phone scans as that account. On this machine a developer may also choose another account,
one of WeChat's own people, or a new person.
"""

import re
import secrets
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.models import User
from core.ids import storable
from sandbox.callers import is_this_machine, phone_of
from sandbox.faults import faults_on
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind
from sandbox.wechat import MAX_NAME, Grant, grant_code_make, grant_of_name, grant_of_user, people

_OWN = "@phone"  # the choice that stands for the account of the phone
MAX_LISTED = 500
_STATE = re.compile(r"[0-9A-Za-z]{1,128}")


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
        return _back(request, code=grant_code_make(grant))
    # The accounts of classes: user name, name and class.
    users = User.objects.exclude(class_name="").filter(is_active=True).order_by("class_name", "pk")
    context = {
        "people": people() if may_choose else (),
        "usernames": users.values_list("username", "nickname", "class_name")[:MAX_LISTED] if may_choose else (),
        "phone": phone,
        "own": _OWN,
        "max_name": MAX_NAME,
        "is_nobody": request.POST,
        "has_snapshot": has_snapshot,
    }
    return render(request, "sandbox/oauth.html", context)


def _grant(request: HttpRequest, phone: User | None, may_choose: bool, *, is_snapshot: bool) -> Grant | None:
    """Return what the phone's account allows, or whom a developer has chosen; None if that is nobody."""
    app = request.GET["appid"], request.GET["scope"]
    if is_snapshot:
        return grant_of_name(f"微信用户{secrets.token_hex(4)}", *app, is_snapshot=True)
    chosen = {name: storable(request.POST.get(name, ""), 150) for name in ("account", "other", "person")}
    name = (chosen["other"] or chosen["person"])[:MAX_NAME]
    if may_choose and chosen["account"]:
        phone = User.objects.filter(username=chosen["account"], is_active=True).first()
    elif may_choose and name != _OWN:
        return grant_of_name(name, *app) if name and name.isprintable() else None
    return grant_of_user(phone, *app) if phone else None


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
