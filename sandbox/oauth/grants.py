"""Codes and tokens, in Valkey: a code works once and lives five minutes, a token two hours."""

import secrets
from dataclasses import dataclass

import orjson

from core.cache.valkey import client

CODE_TTL_S = 300
TOKEN_TTL_S = 7200
_PREFIX = "sandbox:oauth"


@dataclass(frozen=True)
class Grant:
    """What a person allowed an app."""

    appid: str
    name: str
    scope: str


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


def code_trade(code: str) -> Grant:
    """Take the grant behind a code; of two who try at once, one gets it.

    :raises CodeUsed: :raises CodeUnknown: false, or over.
    """
    held = client().getdel(_key("code", code))
    if held is not None:
        return Grant(**orjson.loads(held))
    raise CodeUsed if client().exists(_key("known", code)) else CodeUnknown


def token_make(grant: Grant) -> str:
    token = f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(64)}"
    client().set(_key("access", token), _dump(grant), ex=TOKEN_TTL_S)
    return token


def token_find(token: str) -> Grant | None:
    held = client().get(_key("access", token))
    return Grant(**orjson.loads(held)) if held is not None else None


def _dump(grant: Grant) -> bytes:
    return orjson.dumps({"appid": grant.appid, "name": grant.name, "scope": grant.scope})


def _key(kind: str, text: str) -> str:
    return f"{_PREFIX}:{kind}:{text[:200]}"
