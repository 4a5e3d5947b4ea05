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
from sandbox.faults import faults_on, provider_endpoint
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


# --- People --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Person:
    """A WeChat user: one of WeChat's own, or the owner of the phone of one of our accounts.

    :param picture: an address; a path is one of this server.
    :param is_linked: whether WeChat tells the person's unionid.
    :param key: what the ids are made of, if it is not the name.
    :param known_unionid, known_openid: the ids that our side has of this person already; an openid with its app.
    """

    name: str
    picture: str = ""
    city: str = ""
    province: str = ""
    sex: int = 0
    is_linked: bool = True
    key: str = ""
    known_unionid: str = ""
    known_openid: tuple[str, str] = ("", "")

    def openid(self, appid: str) -> str:
        """Return the person's id for one app: 28 characters, as at WeChat."""
        app, openid = self.known_openid
        return openid if openid and app == appid else "o" + _digest(f"{appid}\n{self.key or self.name}")

    @property
    def unionid(self) -> str:
        """Return the person's id for all apps of one Open Platform account."""
        return self.known_unionid or "u" + _digest(self.key or self.name)

    @property
    def headimgurl(self) -> str:
        return settings.PUBLIC_BASE_URL + self.picture if self.picture.startswith("/") else self.picture


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[:27]


def people() -> tuple[Person, ...]:
    """Return the few who have pictures; any other is a name that a developer types."""
    faces = [static(f"sandbox/faces/{number}.svg") for number in range(1, 5)]
    return (
        Person("李小明", faces[0], "重庆", "重庆", 1),
        Person("王远杰", faces[1], "南京", "江苏", 1),
        Person("小鹿🦌", faces[2], "成都", "四川", 2),
        Person("没有 unionid 的张三", faces[3], is_linked=False),
    )


def person_of(user: User) -> Person:
    """Return the person whose phone an account has."""
    return Person(
        user.nickname or user.username,
        user.headimgurl,
        key=f"account {user.unid}",
        known_unionid=user.unionid or "",
        known_openid=(user.wechat_appid, user.openid),
    )


# --- What they allow -----------------------------------------------------------------------------
@dataclass(frozen=True)
class Grant:
    """What a person has allowed an app to do."""

    appid: str
    name: str
    scope: str
    is_snapshot: bool = False  # of the virtual account that a snapshot page has
    unid: str = ""  # of the account whose phone allowed it; the name counts without one

    @classmethod
    def of_phone(cls, user: User, *, appid: str, scope: str) -> "Grant":
        """Return what an account's phone allows. From now on our side knows the account by the phone's unionid."""
        unionid_give(user_pk=user.pk, unionid=person_of(user).unionid)
        return cls(appid, user.nickname or user.username, scope, unid=user.unid)

    @property
    def person(self) -> Person:
        """Return who allowed it; refuse if the account is gone or disabled."""
        if not self.unid:
            return next((person for person in people() if person.name == self.name), Person(self.name))
        user = User.objects.filter(unid=self.unid, is_active=True).first()
        if user is None:
            raise LoginRefused(40029)
        return person_of(user)


def grant_code_make(grant: Grant) -> str:
    code = "0" + secrets.token_urlsafe(23)[:31]
    client().set(_key("code", code), orjson.dumps(grant), ex=CODE_TTL_S)
    return code


def _code_redeem(code: str, *, appid: str) -> Grant:
    """Return the grant of a code and use the code up. If two callers try at the same time, one of them gets it.

    :raises LoginRefused: the code is used, unknown, another app's, or has expired.
    """
    grant = client().set(_key("code", code), _USED, xx=True, get=True, keepttl=True)
    if grant is None or grant == _USED:
        raise LoginRefused(40163 if grant else 40029)
    if (redeemed := Grant(**orjson.loads(grant))).appid != appid:
        raise LoginRefused(40029)
    return redeemed


def _key(kind: str, text: str) -> str:
    return f"sandbox:oauth:{kind}:{text[:200]}"


# --- The calls -----------------------------------------------------------------------------------
def _answer(call: Callable[[QueryDict], dict[str, Any]]) -> Callable[[HttpRequest], HttpResponse]:
    @provider_endpoint(slow=FaultKind.OAUTH_SLOW, down=FaultKind.OAUTH_DOWN)
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


@_answer
def access_token(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/oauth2/access_token?appid=&secret=&code=&grant_type=authorization_code``"""
    grant = _code_redeem(query.get("code", ""), appid=_app(query, "APP"))
    person, token = grant.person, f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(64)}"
    client().set(_key("access", token), orjson.dumps(grant), ex=TOKEN_TTL_S)
    body = {
        "access_token": token,
        "expires_in": TOKEN_TTL_S,
        "refresh_token": secrets.token_urlsafe(64),  # our side never uses it
        "openid": person.openid(grant.appid),
        "scope": grant.scope,
    }
    more = {"is_snapshotuser": 1} if grant.is_snapshot else {}
    return body | more | ({"unionid": person.unionid} if person.is_linked else {})


@_answer
def userinfo(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/userinfo?access_token=&openid=&lang=zh_CN``"""
    kept = client().get(_key("access", query.get("access_token", "")))
    if kept is None:
        raise LoginRefused(40001)
    grant = Grant(**orjson.loads(kept))
    person = grant.person
    if query.get("openid") != person.openid(grant.appid):
        raise LoginRefused(40003)
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
        "headimgurl": person.headimgurl,
        "privilege": [],
    }
    return profile | ({"unionid": person.unionid} if person.is_linked else {})


@_answer
def jscode2session(query: QueryDict) -> dict[str, Any]:
    """``GET /sns/jscode2session?appid=&secret=&js_code=&grant_type=authorization_code``"""
    faults = faults_on()
    if FaultKind.OAUTH_BUSY in faults:
        raise LoginRefused(-1)
    appid = _app(query, "MINI_APP")
    if FaultKind.OAUTH_LIMIT in faults:
        raise LoginRefused(45011)
    person = _code_redeem(query.get("js_code", ""), appid=appid).person
    session_key = base64.b64encode(secrets.token_bytes(16)).decode()
    session = {"openid": person.openid(appid), "session_key": session_key}
    return session | ({"unionid": person.unionid} if person.is_linked else {})
