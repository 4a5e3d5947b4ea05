"""Counting calls in Valkey, so that a limit holds across processes and machines."""

from core.valkey import client

# One statement counts and starts the clock: two first calls cannot both start it.
_HIT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if n <= tonumber(ARGV[1]) then return 0 end
return redis.call('PTTL', KEYS[1])
"""


def hit(key: str, *, limit: int, window_s: float) -> int:
    """Count one call of ``key``; answer the seconds to wait, 0 when it is within ``limit`` a window."""
    wait_ms = int(client().eval(_HIT, 1, f"spms:rate:{key}", limit, int(window_s * 1000)))
    return -(-wait_ms // 1000) if wait_ms > 0 else 0


def forget(key: str) -> None:
    """Start ``key`` afresh."""
    client().delete(f"spms:rate:{key}")
