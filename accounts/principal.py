"""Who is calling, known on every request without asking the database.

Valkey holds a short record of each user who called lately and of each token's life. PostgreSQL stays the
truth: what Valkey does not know is read from there, and with Valkey down everything is.
"""

from dataclasses import dataclass
from typing import Any

import orjson
import redis
import structlog

from accounts.models import RevokedToken, User
from core.cache import valkey
from permissions import rights
from permissions.rights import Rights

log = structlog.get_logger("accounts")

# Bounds how long a change stays unseen when the process that made it died before it could say so.
RECORD_TTL_S = 60
GENERATION_TTL_S = 600
_ALIVE, _DEAD = b"1", b"0"

# Keep what was read from the database only if nobody changed the user meanwhile.
_KEEP = """
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""

_FORGET = """
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
"""


@dataclass(frozen=True)
class Principal:
    """The logged-in user of a request: not a model, ``pk`` leads to the row."""

    pk: int
    unid: str
    username: str
    nickname: str
    rights: Rights
    claims: dict[str, Any]
    is_authenticated: bool = True

    @property
    def roleid(self) -> str:
        return self.rights.roleid

    @property
    def is_root(self) -> bool:
        return self.rights.is_root

    def __str__(self) -> str:
        return self.nickname or self.username


def principal_of(claims: dict[str, Any]) -> Principal | None:
    """Find the caller of a token whose signature is good; None if the token no longer counts."""
    unid, jti = claims["unid"], claims["jti"]
    record, life, version, generation = _held(unid, jti)
    if life is None:
        life = _read_life(jti)
    if record is None:
        record = _read_record(unid, generation)
    if life == _DEAD or record is None or record["epoch"] != claims["epoch"]:
        return None
    return Principal(
        pk=record["pk"],
        unid=unid,
        username=record["username"],
        nickname=record["nickname"],
        rights=rights.rights_of(record["roleid"], version),
        claims=claims,
    )


def forget(unid: str) -> None:
    """Drop the record of a user who has changed. Call it after the commit."""
    try:
        valkey.client().eval(_FORGET, 2, _generation_key(unid), _record_key(unid), GENERATION_TTL_S)
    except redis.RedisError:
        # The change is committed and must not be answered as a failure: the record ends by itself.
        log.warning("valkey does not answer, a change of a user is seen late", seconds=RECORD_TTL_S)


def mark_dead(jti: str, lifetime_s: int) -> None:
    """Tell all processes that a token was revoked. Call it after the commit."""
    try:
        valkey.client().set(_life_key(jti), _DEAD, ex=max(1, lifetime_s))
    except redis.RedisError:
        log.warning("valkey does not answer, a sign-out is seen late", seconds=RECORD_TTL_S)


def _held(unid: str, jti: str) -> tuple[dict[str, Any] | None, bytes | None, bytes | None, bytes | None]:
    keys = [_record_key(unid), _life_key(jti), rights.VERSION_KEY, _generation_key(unid)]
    try:
        record, life, version, generation = valkey.client().mget(keys)
        return (orjson.loads(record) if record else None), life, version or rights.current_version(), generation or b""
    except redis.RedisError:
        log.warning("valkey does not answer, asking the database")
        return None, None, None, None


def _read_life(jti: str) -> bytes:
    life = _DEAD if RevokedToken.objects.filter(pk=jti).exists() else _ALIVE
    if life == _ALIVE:
        try:
            # NX: a sign-out that happened since the query above has the last word.
            valkey.client().set(_life_key(jti), _ALIVE, ex=RECORD_TTL_S, nx=True)
        except redis.RedisError:
            pass  # the database has answered
    return life


def _read_record(unid: str, generation: bytes | None) -> dict[str, Any] | None:
    fields = ("pk", "username", "nickname", "epoch", "role__roleid")
    row = User.objects.filter(unid=unid, is_active=True).values(*fields).first()
    if row is None:
        return None
    record = row | {"roleid": row.pop("role__roleid")}
    if generation is not None:
        try:
            keys = [_record_key(unid), _generation_key(unid)]
            valkey.client().eval(_KEEP, 2, *keys, generation, orjson.dumps(record), RECORD_TTL_S)
        except redis.RedisError:
            pass  # the database has answered
    return record


def _record_key(unid: str) -> str:
    return f"spms:user:{unid}"


def _generation_key(unid: str) -> str:
    return f"spms:usergen:{unid}"


def _life_key(jti: str) -> str:
    return f"spms:token:{jti}"
