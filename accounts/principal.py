"""The caller of an API request (the principal), found without a query to the database.

Problem: each request must know its user, and whether its token was revoked, without two queries each time. So Valkey
caches a record of each user who called lately, and for each token whether it was revoked. What Valkey does not have is
read from PostgreSQL, and with Valkey down everything is.

A user may change between that reading and its writing to Valkey, and then an old record would be cached. So every
change increments the user's *generation*, and a record is written only if the generation is the same as before the
reading.
"""

from dataclasses import dataclass
from typing import Any

import orjson
import redis
import structlog

from accounts.models import RevokedToken, User
from core.cache import valkey
from permissions import rights
from permissions.models import DataScope
from permissions.rights import Rights
from permissions.scope import Scope

log = structlog.get_logger("accounts")

# A process may die after it has committed a change and before it drops the record. Others see the change this late.
RECORD_TTL_S = 60
GENERATION_TTL_S = 600
_ALIVE, _DEAD = b"1", b"0"

# Write a record unless the user's generation has changed. KEYS: record, generation. ARGV: generation, record, seconds.
_KEEP = """
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""

# Drop a user's record and begin a new generation. KEYS: generation, record. ARGV: seconds.
_FORGET = """
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
"""


@dataclass(frozen=True)
class Principal:
    """The logged-in user of a request, built from the token and the cache.

    It is no model; ``pk`` is that of the row.
    """

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

    @property
    def scope(self) -> Scope:
        return Scope(DataScope.ALL if self.is_root else self.rights.data_scope, self.pk)

    def __str__(self) -> str:
        return self.nickname or self.username


def principal_of(claims: dict[str, Any]) -> Principal | None:
    """Return the caller by the claims of a token with a valid signature.

    None if the token was revoked, its epoch is over, or the user is disabled or deleted.
    """
    unid, jti = claims["unid"], claims["jti"]
    record, life, version, generation = _read_valkey(unid, jti)
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
    """Drop a user's cached record after a change. Call it after the commit."""
    try:
        valkey.client().eval(_FORGET, 2, _generation_key(unid), _record_key(unid), GENERATION_TTL_S)
    except redis.RedisError:
        # The change is committed, so the request must not fail: the record expires by itself.
        log.warning("valkey does not answer, a change of a user is seen late", seconds=RECORD_TTL_S)


def mark_dead(jti: str, lifetime_s: int) -> None:
    """Make a revoked token invalid in all processes. Call it after the commit."""
    try:
        valkey.client().set(_life_key(jti), _DEAD, ex=max(1, lifetime_s))
    except redis.RedisError:
        log.warning("valkey does not answer, a sign-out is seen late", seconds=RECORD_TTL_S)


def _read_valkey(unid: str, jti: str) -> tuple[dict[str, Any] | None, bytes | None, bytes | None, bytes | None]:
    keys = [_record_key(unid), _life_key(jti), rights.VERSION_KEY, _generation_key(unid)]
    try:
        record, life, version, generation = valkey.values(*keys)
        return (orjson.loads(record) if record else None), life, version or rights.current_version(), generation or b""
    except redis.RedisError:
        log.warning("valkey does not answer, asking the database")
        return None, None, None, None


def _read_life(jti: str) -> bytes:
    life = _DEAD if RevokedToken.objects.filter(pk=jti).exists() else _ALIVE
    if life == _ALIVE:
        try:
            # NX: somebody may have signed out since the query above, and must not be overwritten.
            valkey.client().set(_life_key(jti), _ALIVE, ex=RECORD_TTL_S, nx=True)
        except redis.RedisError:
            pass  # only the cache is missing: the result is from the database
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
            pass  # only the cache is missing: the result is from the database
    return record


def _record_key(unid: str) -> str:
    return f"spms:user:{unid}"


def _generation_key(unid: str) -> str:
    return f"spms:usergen:{unid}"


def _life_key(jti: str) -> str:
    return f"spms:token:{jti}"
