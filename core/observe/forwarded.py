"""Compare X-Forwarded-For of requests with TRUSTED_PROXIES; ``core.ops.proxies`` reports a misfit."""

import time

import redis
from django.conf import settings
from django.http import HttpRequest

from core.cache import valkey

KEY = "spms:forwarded"
"""About the latest misfit: the number of addresses in its header, and the address it came from."""

KEPT_S = 24 * 3600
_QUIET_S = 60
_noted_at = float("-inf")


def look(request: HttpRequest) -> None:
    """Note a request that has passed a proxy though the settings name none, or fewer proxies than they name."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if forwarded and not fits(hops := forwarded.count(",") + 1):
        _note(f"{hops} {request.META.get('REMOTE_ADDR') or ''}")


def fits(hops: int) -> bool:
    # A client can send this header itself, which only makes it longer. So a header that is too long proves nothing,
    # unless there should be no header at all.
    return settings.TRUSTED_PROXIES > 0 and hops >= settings.TRUSTED_PROXIES


def _note(text: str) -> None:
    global _noted_at
    if time.monotonic() - _noted_at < _QUIET_S:
        return
    _noted_at = time.monotonic()
    try:
        valkey.client().set(KEY, text, ex=KEPT_S)
    except redis.RedisError:
        pass  # it is only a hint
