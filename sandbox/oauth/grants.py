"""What people allow apps in WeChat, and the codes and tokens that this gives, kept in Valkey.

A code works once, within five minutes; a token for two hours.
"""

import secrets
from dataclasses import dataclass

import orjson

from accounts.models import User
from core.cache.valkey import client
from sandbox.people import Person, person_named, person_of, phone_enroll

MINI_SCOPE = "mini"  # of a code that ``wx.login`` gives to a mini program
CODE_TTL_S = 300
TOKEN_TTL_S = 7200
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

    def __init__(self, errcode: int) -> None:
        super().__init__(_ERRORS[errcode])
        self.errcode = errcode


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
        """Return what an account's phone allows."""
        phone_enroll(user)
        return cls(appid, user.nickname or user.username, scope, unid=user.unid)

    @property
    def person(self) -> Person:
        """Return who allowed it.

        :raises LoginRefused: the account is gone or disabled.
        """
        if not self.unid:
            return person_named(self.name)
        user = User.objects.filter(unid=self.unid, is_active=True).first()
        if user is None:
            raise LoginRefused(40029)
        return person_of(user)


def code_make(grant: Grant) -> str:
    code = "0" + secrets.token_urlsafe(23)[:31]
    client().set(_key("code", code), orjson.dumps(grant), ex=CODE_TTL_S)
    return code


def code_redeem(code: str, *, appid: str) -> Grant:
    """Return the grant of a code and use the code up. If two callers try at the same time, one of them gets it.

    :raises LoginRefused: the code is used, unknown, another app's, or has expired.
    """
    grant = client().set(_key("code", code), _USED, xx=True, get=True, keepttl=True)
    if grant is None or grant == _USED:
        raise LoginRefused(40163 if grant else 40029)
    if (redeemed := Grant(**orjson.loads(grant))).appid != appid:
        raise LoginRefused(40029)
    return redeemed


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
