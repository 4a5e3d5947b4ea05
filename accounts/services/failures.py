"""Counting wrong passwords, so that guessing is slow and nobody can lock somebody else out.

The API's login, the back office's, and whoever gives the old password for a new one count together.
Only failures count, windows are short and are not prolonged by trying on. A whole class behind one
address stays far below the limits. An account that has logged in from an address lately (``KNOWN_FOR_S``) is held
up there by guesses at itself alone: neither a stranger elsewhere nor a classmate who guesses at others shuts it out.

The check comes before the slow hash and the count after it, so that many right logins at once are no
failures; at most as many guesses as the server has threads get past a limit that way.
"""

import hashlib
from collections.abc import Iterator

import redis
import structlog

from accounts.errors import TooManyFailures
from core.cache import ratelimit
from core.cache.valkey import client

log = structlog.get_logger("accounts")

WINDOW_S = 60
PAIR_LIMIT = 30  # one account from one address, which a class may share
ACCOUNT_LIMIT = 60  # one account from all addresses it never logged in from
ADDRESS_LIMIT = 200  # all accounts from one address: 40 trainees with five typos each
KNOWN_FOR_S = 30 * 24 * 3600


def refuse_if_too_many(*, username: str, ip: str) -> None:
    """:raises TooManyFailures: the caller has to wait."""
    try:
        limits = [_pair(username, ip)] if _is_known(username, ip) else [*_counted(username, ip)]
        wait_s = max(ratelimit.wait(key, limit=limit) for key, limit in limits)
    except redis.RedisError:
        log.warning("login failures are not limited: valkey does not answer")
        return
    if wait_s:
        raise TooManyFailures(wait_s)


def count(*, username: str, ip: str) -> None:
    """Remember a wrong password."""
    try:
        for key, limit in _counted(username, ip):
            ratelimit.hit(key, limit=limit, window_s=WINDOW_S)
    except redis.RedisError:
        pass  # refuse_if_too_many has logged it


def forgive(*, username: str, ip: str) -> None:
    """Remember a right password: the pair starts afresh, and the address is known from now on."""
    try:
        ratelimit.forget(_pair(username, ip)[0])
        client().set(_known(username, ip), 1, ex=KNOWN_FOR_S)
    except redis.RedisError:
        pass  # refuse_if_too_many has logged it


def _counted(username: str, ip: str) -> Iterator[tuple[str, int]]:
    """What a wrong password counts for, each with its limit."""
    yield _pair(username, ip)
    yield f"login:address:{ratelimit.network_of(ip)}", ADDRESS_LIMIT
    if not _is_known(username, ip):
        yield f"login:account:{_digest(username)}", ACCOUNT_LIMIT


def _pair(username: str, ip: str) -> tuple[str, int]:
    return f"login:pair:{_digest(username)}:{ratelimit.network_of(ip)}", PAIR_LIMIT


def _is_known(username: str, ip: str) -> bool:
    return bool(client().exists(_known(username, ip)))


def _known(username: str, ip: str) -> str:
    return f"spms:login:known:{_digest(username)}:{ratelimit.network_of(ip)}"


def _digest(username: str) -> str:
    # Whatever was sent as a name, the key is short.
    return hashlib.sha256(username.encode()).hexdigest()[:32]
