"""What requests show about the proxies before us; ``core.ops.proxies`` reports what does not fit the settings."""

import time

import redis
from django.conf import settings
from django.http import HttpRequest

from core.cache import valkey

KEY = "spms:forwarded"
"""Of the latest misfit: the number of addresses in its header, and who sent it."""

KEPT_S = 24 * 3600
_QUIET_S = 60
_noted_at = float("-inf")


def look(request: HttpRequest) -> None:
    """Note a request that came through a proxy where none is said to be, or through fewer than are."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if forwarded and not fits(hops := forwarded.count(",") + 1):
        _note(f"{hops} {request.META.get('REMOTE_ADDR') or ''}")


def fits(hops: int) -> bool:
    # A client may send such a header itself, which makes it longer: too long tells something only where none is due.
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
