"""Who scans with WeChat, and the codes and tokens that this gives, kept in Valkey.

A code works once, within five minutes; a token for two hours.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass

import orjson

from core.cache.valkey import client

MAX_NAME = 32
CODE_TTL_S = 300
TOKEN_TTL_S = 7200
_USED = b"used"
_ERRORS = {
    40001: "invalid credential, access_token is invalid or not latest",
    40003: "invalid openid",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40163: "code been used",
    48001: "api unauthorized",
}


class LoginRefused(Exception):
    """WeChat refuses, with one of its error codes."""

    def __init__(self, errcode: int) -> None:
        super().__init__(_ERRORS[errcode])
        self.errcode = errcode


@dataclass(frozen=True)
class Person:
    """A WeChat user. ``face``: the number of a picture; ``is_linked``: whether WeChat tells the person's unionid."""

    name: str
    face: int = 0
    city: str = ""
    province: str = ""
    sex: int = 0
    is_linked: bool = True

    def openid(self, appid: str) -> str:
        """Return the person's id for one app: 28 characters, as at WeChat."""
        return "o" + _digest(f"{appid}\n{self.name}")[:27]

    @property
    def unionid(self) -> str:
        """Return the person's id for all apps of one Open Platform account."""
        return "u" + _digest(self.name)[:27]


# A few have pictures; any other is a name that a developer types.
PEOPLE = (
    Person("李小明", 1, "重庆", "重庆", 1),
    Person("王远杰", 2, "南京", "江苏", 1),
    Person("小鹿🦌", 3, "成都", "四川", 2),
    Person("没有 unionid 的张三", 4, is_linked=False),
)


def person_named(name: str) -> Person:
    return next((person for person in PEOPLE if person.name == name), Person(name))


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Grant:
    """What a person has allowed an app to do."""

    appid: str
    name: str
    scope: str
    is_snapshot: bool = False  # of the virtual account that a snapshot page has


def code_make(grant: Grant) -> str:
    code = "0" + secrets.token_urlsafe(23)[:31]
    client().set(_key("code", code), orjson.dumps(grant), ex=CODE_TTL_S)
    return code


def code_redeem(code: str) -> Grant:
    """Return the grant of a code and use the code up. If two callers try at the same time, one of them gets it.

    :raises LoginRefused: the code is used, unknown, or has expired.
    """
    grant = client().set(_key("code", code), _USED, xx=True, get=True, keepttl=True)
    if grant is None or grant == _USED:
        raise LoginRefused(40163 if grant else 40029)
    return Grant(**orjson.loads(grant))


def token_make(grant: Grant) -> str:
    token = f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(64)}"
    client().set(_key("access", token), orjson.dumps(grant), ex=TOKEN_TTL_S)
    return token


def token_grant(token: str) -> Grant:
    """Return the grant of a token.

    :raises LoginRefused: the token is unknown, or has expired.
    """
    grant = client().get(_key("access", token))
    if grant is None:
        raise LoginRefused(40001)
    return Grant(**orjson.loads(grant))


def _key(kind: str, text: str) -> str:
    return f"sandbox:oauth:{kind}:{text[:200]}"
