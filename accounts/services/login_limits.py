"""The limits of logins by password: guessing must be slow, and nobody may lock somebody else out.

Wrong passwords count together wherever they are typed: the API's login, the back office's, and a change of one's own
password. A window lasts a minute, and attempts during a refusal do not prolong it. A whole class behind one address
stays far below the limits.

An attacker must not be able to lock an account. So from an address where the account has logged in within
``KNOWN_FOR_S`` only the limit for this pair of account and address counts, not the wrong passwords of other people.

The limit is checked before the slow password hash and a failure is counted after it, because a right password must not
count. So a few guesses may pass a limit, at most as many as the server has threads.
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
    """Check the limits before a password is verified. Without Valkey there is no limit.

    :raises TooManyFailures: too many wrong passwords; says how long to wait.
    """
    try:
        limits = [_pair(username, ip)] if _is_known_address(username, ip) else [*_counters(username, ip)]
        wait_s = max(ratelimit.wait(key, limit=limit) for key, limit in limits)
    except redis.RedisError:
        log.warning("login failures are not limited: valkey does not answer")
        return
    if wait_s:
        raise TooManyFailures(wait_s)


def failure_count(*, username: str, ip: str) -> None:
    """Count a wrong password."""
    try:
        for key, limit in _counters(username, ip):
            ratelimit.hit(key, limit=limit, window_s=WINDOW_S)
    except redis.RedisError:
        pass  # refuse_if_too_many has logged it


def failures_forgive(*, username: str, ip: str) -> None:
    """After a right password: reset the pair's counter, and remember the address as known for this account."""
    try:
        ratelimit.forget(_pair(username, ip)[0])
        client().set(_known_key(username, ip), 1, ex=KNOWN_FOR_S)
    except redis.RedisError:
        pass  # refuse_if_too_many has logged it


def _counters(username: str, ip: str) -> Iterator[tuple[str, int]]:
    """Yield the counters that a wrong password increments, each with its limit."""
    yield _pair(username, ip)
    yield f"login:address:{ratelimit.network_of(ip)}", ADDRESS_LIMIT
    if not _is_known_address(username, ip):
        yield f"login:account:{_digest(username)}", ACCOUNT_LIMIT


def _pair(username: str, ip: str) -> tuple[str, int]:
    return f"login:pair:{_digest(username)}:{ratelimit.network_of(ip)}", PAIR_LIMIT


def _is_known_address(username: str, ip: str) -> bool:
    return bool(client().exists(_known_key(username, ip)))


def _known_key(username: str, ip: str) -> str:
    return f"spms:login:known:{_digest(username)}:{ratelimit.network_of(ip)}"


def _digest(username: str) -> str:
    # The name is what somebody typed, of any length; its digest keeps the key short.
    return hashlib.sha256(username.encode()).hexdigest()[:32]
