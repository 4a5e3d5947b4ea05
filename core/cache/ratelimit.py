"""Counting calls in Valkey, so that a limit holds across processes and machines."""

from ipaddress import IPv6Address, IPv6Network

from core.cache.valkey import client

# One statement counts and starts the clock: two first calls cannot both start it.
_HIT = """
local n = redis.call('INCRBY', KEYS[1], ARGV[3])
if n == tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if n <= tonumber(ARGV[1]) then return 0 end
return redis.call('PTTL', KEYS[1])
"""
_WAIT = """
if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then return 0 end
return redis.call('PTTL', KEYS[1])
"""


def hit(key: str, *, limit: int, window_s: float, count: int = 1) -> int:
    """Count a call of ``key``, or one as heavy as ``count``; answer the seconds to wait, 0 when all is within ``limit``
    a window."""
    return _seconds(client().eval(_HIT, 1, _key(key), limit, int(window_s * 1000), count))


def wait(key: str, *, limit: int) -> int:
    """Answer what the next ``hit`` of ``key`` would, without counting."""
    return _seconds(client().eval(_WAIT, 1, _key(key), limit))


def forget(key: str) -> None:
    """Start ``key`` afresh."""
    client().delete(_key(key))


def network_of(address: str) -> str:
    """Name what a limit by address counts as one sender: an IPv4 address, or an IPv6 /64.

    Every customer of a provider has at least a /64: limits by address would give him 2**64 times as much.

    :param address: as ``core.api.request.client_ip`` answers it; "" (unknown) stays "".
    """
    if ":" not in address:
        return address
    return str(IPv6Network((int(IPv6Address(address)), 64), strict=False))


def _seconds(wait_ms: int) -> int:
    return -(-int(wait_ms) // 1000) if wait_ms > 0 else 0


def _key(key: str) -> str:
    return f"spms:rate:{key}"
