"""Codes and tokens of the login, kept in Valkey. A code works once, within five minutes; a token for two hours."""

import secrets
from dataclasses import dataclass

import orjson

from core.cache.valkey import client

CODE_TTL_S = 300
TOKEN_TTL_S = 7200
_PREFIX = "sandbox:oauth"


@dataclass(frozen=True)
class Grant:
    """What a person has allowed an app to do."""

    appid: str
    name: str
    scope: str
    is_snapshot: bool = False  # of the virtual account that a snapshot page has


class CodeUnknown(Exception):
    pass


class CodeUsed(Exception):
    pass


def code_make(grant: Grant) -> str:
    code = "0" + secrets.token_urlsafe(23)[:31]
    pipe = client().pipeline()
    pipe.set(_key("code", code), _dump(grant), ex=CODE_TTL_S)
    pipe.set(_key("known", code), 1, ex=CODE_TTL_S)
    pipe.execute()
    return code


def code_redeem(code: str) -> Grant:
    """Return the grant of a code and use the code up. If two callers try at the same time, one of them gets it.

    :raises CodeUsed: somebody has used it.
    :raises CodeUnknown: there was never such a code, or it has expired.
    """
    grant = client().getdel(_key("code", code))
    if grant is not None:
        return Grant(**orjson.loads(grant))
    raise CodeUsed if client().exists(_key("known", code)) else CodeUnknown


def token_make(grant: Grant) -> str:
    token = f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(64)}"
    client().set(_key("access", token), _dump(grant), ex=TOKEN_TTL_S)
    return token


def token_find(token: str) -> Grant | None:
    grant = client().get(_key("access", token))
    return Grant(**orjson.loads(grant)) if grant is not None else None


def _dump(grant: Grant) -> bytes:
    return orjson.dumps(grant)


def _key(kind: str, text: str) -> str:
    return f"{_PREFIX}:{kind}:{text[:200]}"
