"""Compare X-Forwarded-For of requests with TRUSTED_PROXIES; ``core.ops.servers`` reports a misfit."""

import time
from contextlib import suppress

import redis
from django.conf import settings
from django.http import HttpRequest

from core.cache import valkey

KEY = "spms:forwarded"  # of the latest misfit: the number of addresses in its header, and where it came from
KEPT_S = 24 * 3600
_QUIET_S = 60
_noted_at = float("-inf")


def look(request: HttpRequest) -> None:
    """Note a request that has passed a proxy though the settings name none, or fewer proxies than they name."""
    global _noted_at
    forwarded, sender = request.META.get("HTTP_X_FORWARDED_FOR"), request.META.get("REMOTE_ADDR")
    if not forwarded or not sender or fits(hops := forwarded.count(",") + 1):
        return
    if time.monotonic() - _noted_at < _QUIET_S:
        return
    _noted_at = time.monotonic()
    with suppress(redis.RedisError):  # it is only a hint
        valkey.client().set(KEY, f"{hops} {sender}", ex=KEPT_S)


def fits(hops: int) -> bool:
    # A client can send this header itself, which only makes it longer. So a header that is too long proves nothing,
    # unless there should be no header at all.
    return settings.TRUSTED_PROXIES > 0 and hops >= settings.TRUSTED_PROXIES
