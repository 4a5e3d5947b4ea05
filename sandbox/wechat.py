"""WeChat's side of the login: its people, what they allow apps, and the calls by which apps ask for it.

A code works once, within five minutes; a token for two hours; both are kept in Valkey. As WeChat does, the calls always
answer HTTP 200, JSON as text/plain, errors by ``errcode``.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.templatetags.static import static

from accounts.models import User
from accounts.services.scan_login import unionid_give
from core.cache.valkey import client
from sandbox.faults import View, faults_on, provider_endpoint
from sandbox.keys import sandbox_values
from sandbox.models import FaultKind

MAX_NAME = 32
MINI_SCOPE, PROFILE_SCOPE = "mini", "snsapi_userinfo"  # the first is of a code that ``wx.login`` gives
CODE_TTL_S, TOKEN_TTL_S = 300, 7200
_USED = b"used"
_ERRORS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40003: "invalid openid",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40163: "code been used",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    48001: "api unauthorized",
}


class LoginRefused(Exception):
    """WeChat refuses, with one of its error codes."""


# --- People, and what they allow -----------------------------------------------------------------
@dataclass(frozen=True)
class Grant:
    """What a person has allowed an app, and who that is.

    :param unid: of the account whose phone allowed it; "" of WeChat's own people.
    :param unionid: "" if WeChat does not tell it.
    :param is_snapshot: of the virtual account that a snapshot page has.
    """

    appid: str
    scope: str
    openid: str
    nickname: str
    unionid: str = ""
    headimgurl: str = ""
    city: str = ""
    province: str = ""
    sex: int = 0
    unid: str = ""
    is_snapshot: bool = False


def people() -> dict[str, dict[str, Any]]:
    """Return the few who have pictures, by name; any other is a name that a developer types."""
    pictures = [static(f"sandbox/faces/{number}.svg") for number in range(1, 5)]
    return {
        "李小明": {"headimgurl": pictures[0], "city": "重庆", "province": "重庆", "sex": 1},
        "王远杰": {"headimgurl": pictures[1], "city": "南京", "province": "江苏", "sex": 1},
        "小鹿🦌": {"headimgurl": pictures[2], "city": "成都", "province": "四川", "sex": 2},
        "没有 unionid 的张三": {"headimgurl": pictures[3], "unionid": ""},
    }


def grant_of_name(name: str, appid: str, scope: str, *, is_snapshot: bool = False) -> Grant:
    """Return what one of WeChat's own people allows."""
    facts = {"unionid": _id("u", name), "headimgurl": ""} | people().get(name, {})
    facts["headimgurl"] = _absolute(facts["headimgurl"])
    return Grant(appid, scope, _id("o", f"{appid}\n{name}"), name, is_snapshot=is_snapshot, **facts)


def grant_of_user(user: User, appid: str, scope: str) -> Grant:
    """Return what an account's phone allows. From now on our side knows the account by the phone's unionid."""
    unionid_give(user_pk=user.pk, unionid=unionid_of(user))
    name, picture = user.nickname or user.username, _absolute(user.headimgurl)
    return Grant(appid, scope, openid_of(user, appid), name, unionid_of(user), picture, unid=user.unid)


def openid_of(user: User, appid: str) -> str:
    """Return the id of an account's phone for one app: that which our side has already, else 28 characters."""
    is_known = user.openid and user.wechat_appid == appid
    return user.openid if is_known else _id("o", f"{appid}\naccount {user.unid}")


def unionid_of(user: User) -> str:
    """Return the id of an account's phone for all apps of one Open Platform account."""
    return user.unionid or _id("u", f"account {user.unid}")


def _absolute(address: str) -> str:
    return settings.PUBLIC_BASE_URL + address if address.startswith("/") else address


def _id(kind: str, text: str) -> str:
    return kind + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:27]


def grant_code_make(grant: Grant) -> str:
    code = "0" + secrets.token_urlsafe(23)[:31]
    client().set(_key("code", code), orjson.dumps(grant), ex=CODE_TTL_S)
    return code


def _code_redeem(code: str, *, appid: str) -> Grant:
    """Return the grant of a code and use the code up. If two callers try at the same time, one of them gets it.

    :raises LoginRefused: the code is used, unknown, another app's, or has expired; or its account is gone or disabled.
    """
    kept = client().set(_key("code", code), _USED, xx=True, get=True, keepttl=True)
    if kept is None or kept == _USED:
        raise LoginRefused(40163 if kept else 40029)
    grant = Grant(**orjson.loads(kept))
    is_gone = grant.unid and not User.objects.filter(unid=grant.unid, is_active=True).exists()
    if grant.appid != appid or is_gone:
        raise LoginRefused(40029)
    return grant


def _key(kind: str, text: str) -> str:
    return f"sandbox:oauth:{kind}:{text[:200]}"


# --- The calls -----------------------------------------------------------------------------------
def _answer(call: Callable[[QueryDict], dict[str, Any]]) -> View:
    @provider_endpoint("oauth")
    def answered(request: HttpRequest) -> HttpResponse:
        try:
            body = call(request.GET)
        except LoginRefused as refusal:
            [errcode] = refusal.args
            rid = "-".join(secrets.token_hex(4) for _ in range(3))
            body = {"errcode": errcode, "errmsg": f"{_ERRORS[errcode]}, rid: {rid}"}
        return HttpResponse(orjson.dumps(body), content_type="text/plain")

    return answered


def _app(query: QueryDict, kind: str) -> str:
    """Return the id of our app of this kind; refuse if another app asks, or not with its secret."""
    values = sandbox_values()
    if query.get("appid") != values[f"WECHAT_{kind}_ID"]:
        raise LoginRefused(40013)
    if query.get("secret") != values[f"WECHAT_{kind}_SECRET"]:
        raise LoginRefused(40125)
    return values[f"WECHAT_{kind}_ID"]


def _ids(grant: Grant) -> dict[str, Any]:
    return {"openid": grant.openid} | ({"unionid": grant.unionid} if grant.unionid else {})


@_answer
def access_token(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/oauth2/access_token?appid=&secret=&code=&grant_type=authorization_code``"""
    grant = _code_redeem(query.get("code", ""), appid=_app(query, "APP"))
    token = f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(64)}"
    client().set(_key("access", token), orjson.dumps(grant), ex=TOKEN_TTL_S)
    # Our side never uses the refresh token.
    tokens = {"access_token": token, "expires_in": TOKEN_TTL_S, "refresh_token": secrets.token_urlsafe(64)}
    return tokens | _ids(grant) | {"scope": grant.scope} | ({"is_snapshotuser": 1} if grant.is_snapshot else {})


@_answer
def userinfo(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/userinfo?access_token=&openid=&lang=zh_CN``"""
    kept = client().get(_key("access", query.get("access_token", "")))
    if kept is None:
        raise LoginRefused(40001)
    grant = Grant(**orjson.loads(kept))
    if query.get("openid") != grant.openid:
        raise LoginRefused(40003)
    if grant.scope != PROFILE_SCOPE:
        raise LoginRefused(48001)
    names = ("nickname", "sex", "city", "province", "headimgurl")
    country = "中国" if grant.city else ""
    profile = {name: getattr(grant, name) for name in names} | {"country": country, "language": "", "privilege": []}
    return _ids(grant) | profile


@_answer
def jscode2session(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/jscode2session?appid=&secret=&js_code=&grant_type=authorization_code``"""
    faults = faults_on()
    if FaultKind.OAUTH_BUSY in faults:
        raise LoginRefused(-1)
    appid = _app(query, "MINI_APP")
    if FaultKind.OAUTH_LIMIT in faults:
        raise LoginRefused(45011)
    grant = _code_redeem(query.get("js_code", ""), appid=appid)
    return _ids(grant) | {"session_key": base64.b64encode(secrets.token_bytes(16)).decode()}
