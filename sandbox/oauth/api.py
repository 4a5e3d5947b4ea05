"""WeChat's side of the login. As WeChat does, it always answers HTTP 200, JSON as text/plain, errors by ``errcode``."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from sandbox.endpoint import provider_endpoint
from sandbox.keys import sandbox_settings
from sandbox.models import FaultKind
from sandbox.oauth import grants
from sandbox.oauth.people import Person, person_named

PROFILE_SCOPE = "snsapi_userinfo"
_ERRORS = {
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40163: "code been used",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    41009: "missing openid",
    48001: "api unauthorized",
}


class LoginRefused(Exception):
    def __init__(self, errcode: int) -> None:
        self.errcode = errcode


def _answer(view: Callable[[HttpRequest], dict[str, Any]]) -> Callable[[HttpRequest], HttpResponse]:
    def answered(request: HttpRequest) -> HttpResponse:
        try:
            body = view(request)
        except LoginRefused as error:
            rid = f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
            body = {"errcode": error.errcode, "errmsg": f"{_ERRORS[error.errcode]}, rid: {rid}"}
        return HttpResponse(orjson.dumps(body), content_type="text/plain")

    return require_safe(provider_endpoint(slow=FaultKind.OAUTH_SLOW, down=FaultKind.OAUTH_DOWN)(answered))


@_answer
def access_token(request: HttpRequest) -> dict[str, Any]:
    """``GET /sns/oauth2/access_token?appid=&secret=&code=&grant_type=authorization_code``"""
    _check_app(request)
    if request.GET.get("grant_type") != "authorization_code":
        raise LoginRefused(40002)
    try:
        grant = grants.code_redeem(_need(request, "code", 41008))
    except grants.CodeUsed:
        raise LoginRefused(40163) from None
    except grants.CodeUnknown:
        raise LoginRefused(40029) from None
    if grant.appid != request.GET["appid"]:
        raise LoginRefused(40029)
    person = _person(grant)
    body = {
        "access_token": grants.token_make(grant),
        "expires_in": grants.TOKEN_TTL_S,
        "refresh_token": secrets.token_urlsafe(64),  # our side never uses it
        "openid": person.openid(grant.appid),
        "scope": grant.scope,
    }
    more = {"is_snapshotuser": 1} if grant.is_snapshot else {}
    return body | more | ({"unionid": person.unionid} if person.is_linked else {})


@_answer
def userinfo(request: HttpRequest) -> dict[str, Any]:
    """``GET /sns/userinfo?access_token=&openid=&lang=zh_CN``"""
    grant, person = _holder(request)
    if grant.scope != PROFILE_SCOPE:
        raise LoginRefused(48001)
    profile = {
        "openid": person.openid(grant.appid),
        "nickname": person.name,
        "sex": person.sex,
        "language": "",
        "city": person.city,
        "province": person.province,
        "country": "中国" if person.city else "",
        "headimgurl": settings.PUBLIC_BASE_URL + static(f"sandbox/faces/{person.face}.svg") if person.face else "",
        "privilege": [],
    }
    return profile | ({"unionid": person.unionid} if person.is_linked else {})


def _holder(request: HttpRequest) -> tuple[grants.Grant, Person]:
    grant = grants.token_find(_need(request, "access_token", 41001))
    if grant is None:
        raise LoginRefused(40001)
    person = _person(grant)
    if _need(request, "openid", 41009) != person.openid(grant.appid):
        raise LoginRefused(40003)
    return grant, person


def _person(grant: grants.Grant) -> Person:
    person = person_named(grant.name)
    if person is None:
        raise LoginRefused(40003)
    return person


def _check_app(request: HttpRequest) -> None:
    known = sandbox_settings(Path(settings.STATE_DIR) / "sandbox")
    if _need(request, "appid", 41002) != known["WECHAT_APP_ID"]:
        raise LoginRefused(40013)
    if _need(request, "secret", 41004) != known["WECHAT_APP_SECRET"]:
        raise LoginRefused(40125)


def _need(request: HttpRequest, name: str, errcode: int) -> str:
    value = request.GET.get(name, "")
    if not value:
        raise LoginRefused(errcode)
    return value
