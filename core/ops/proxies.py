"""Is TRUSTED_PROXIES right? Only the requests can tell: what does not fit is noted for ``manage.py doctor``."""

import time
from collections.abc import Iterator
from ipaddress import ip_address

import redis
from django.conf import settings
from django.http import HttpRequest

from core.cache import valkey
from core.ops import doctor
from core.ops.doctor import Finding

_KEY = "spms:forwarded"
KEPT_S = 24 * 3600
_QUIET_S = 60
_noted_at = float("-inf")


def look(request: HttpRequest) -> None:
    """Note a request that came through a proxy where none is said to be, or through fewer than are."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR")
    if forwarded and not _fits(hops := forwarded.count(",") + 1):
        _note(f"{hops} {request.META.get('REMOTE_ADDR') or ''}")


def _fits(hops: int) -> bool:
    # A client may send such a header itself, which makes it longer: too long tells something only where none is due.
    return settings.TRUSTED_PROXIES > 0 and hops >= settings.TRUSTED_PROXIES


def _note(text: str) -> None:
    global _noted_at
    if time.monotonic() - _noted_at < _QUIET_S:
        return
    _noted_at = time.monotonic()
    try:
        valkey.client().set(_KEY, text, ex=KEPT_S)
    except redis.RedisError:
        pass  # it is only a hint


@doctor.register
def trusted_proxies() -> Iterator[Finding]:
    hops, _, sender = (valkey.client().get(_KEY) or b"").decode().partition(" ")
    if not hops or _fits(int(hops)):
        return
    # Nobody outside can seem to come from a private address: there a proxy stands between. Others may have made it up.
    is_ours = settings.PRODUCTION and _is_private(sender)
    yield Finding(
        False if is_ours else None,
        f"A request from {sender} came with X-Forwarded-For of {hops} address(es), TRUSTED_PROXIES is "
        f"{settings.TRUSTED_PROXIES}",
        "Set TRUSTED_PROXIES to the number of proxies before us: limits and logs go by the proxy's address now."
        + ("" if is_ours else " Without a proxy, leave it: somebody sent that header himself."),
    )


def _is_private(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return False
