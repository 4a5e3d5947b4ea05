"""When a login by password asks for a captcha: guessing must be slow, and no attacker may lock a user out.

Wrong passwords count together wherever they are typed: the API's login, the back office's, and a change of the own
password. Beyond a limit a login needs a captcha, for a minute. A whole class behind one address stays far below.

A device that has logged in as this user with the present password is counted by itself, so other people's wrong
passwords ask nothing of it. All such devices of one user share a limit, because each login makes a device: beyond it
they count as clients without cookies, which are known by their address. From a known address only its own wrong
passwords count.

The limit is checked before the slow password hash and a failure is counted after it, because a right password must not
count. So a few guesses may pass a limit, at most as many as the server has threads.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress

import redis
import structlog

from accounts.errors import TooManyFailures
from accounts.services.attempts import LoginContext
from core.cache import ratelimit
from core.cache.valkey import client

log = structlog.get_logger("accounts")

WINDOW_S = 60
PAIR_LIMIT = 30  # one account from one address, which a class may share; one account from a known device
DEVICES_LIMIT = 60  # one account from all its known devices
ACCOUNT_LIMIT = 60  # one account from all addresses it never logged in from
ADDRESS_LIMIT = 200  # all accounts from one address: 40 trainees with five typos each
KNOWN_FOR_S = 30 * 24 * 3600


def captcha_require(*, username: str, epoch: int | None, context: LoginContext) -> None:
    """Ask for a captcha if there were too many wrong passwords; without Valkey never.

    Call it before a password is verified.

    :param epoch: the user's, None if no user has the name.
    :raises TooManyFailures: too many wrong passwords and no right captcha; says how long to wait without one.
    """
    try:
        wait_s = max(ratelimit.wait(key, limit=limit) for key, limit in _counters(username, epoch, context))
        if wait_s and not context.captcha.is_right():
            raise TooManyFailures(wait_s)
    except redis.RedisError:
        log.warning("login failures are not limited: valkey does not answer")


def failure_count(*, username: str, epoch: int | None, context: LoginContext) -> None:
    """Count a wrong password."""
    with suppress(redis.RedisError):  # captcha_require has logged it
        for key, limit in _counters(username, epoch, context):
            ratelimit.hit(key, limit=limit, window_s=WINDOW_S)


def failures_forgive(*, username: str, epoch: int, context: LoginContext) -> None:
    """After a right password: reset the first counter, and remember the address as known for this account."""
    with suppress(redis.RedisError):  # captcha_require has logged it
        ratelimit.forget(next(_counters(username, epoch, context))[0])
        client().set(_known_key(username, context), 1, ex=KNOWN_FOR_S)


def _counters(username: str, epoch: int | None, context: LoginContext) -> Iterator[tuple[str, int]]:
    """Yield the counters that a wrong password increments and a login asks, each with its limit."""
    device, devices_key = context.devices.get(username, ""), f"login:devices:{_digest(username)}"
    if device.startswith(f"{epoch}.") and not ratelimit.wait(devices_key, limit=DEVICES_LIMIT):
        yield f"login:device:{_digest(username)}:{device}", PAIR_LIMIT
        yield devices_key, DEVICES_LIMIT
        return
    yield f"login:pair:{_digest(username)}:{context.network}", PAIR_LIMIT
    if not client().exists(_known_key(username, context)):
        yield f"login:address:{context.network}", ADDRESS_LIMIT
        yield f"login:account:{_digest(username)}", ACCOUNT_LIMIT


def _known_key(username: str, context: LoginContext) -> str:
    return f"spms:login:known:{_digest(username)}:{context.network}"


def _digest(username: str) -> str:
    # The name may be of any length; its digest keeps the key short.
    return hashlib.sha256(username.encode()).hexdigest()[:32]
