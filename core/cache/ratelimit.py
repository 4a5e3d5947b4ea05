"""Count calls in Valkey, so that a limit holds across processes and machines.

While Valkey is down, a limit that must not stop work lets all pass: wrong passwords (``accounts/services/login.py``),
the calls of an account on a practice server (``permissions/gate.py``), entries of the audit (``core/audit.py``). The
audit then lacks the refused logins of staff (``accounts/services/login_records.py``). Everywhere else the call fails
with ``redis.RedisError``: text messages and their codes, WeChat logins, scan codes, new phone numbers, joining a class,
uploads, weather, questions to WeChat Pay, calls with an ``Idempotency-Key``, the stand-ins.

How many orders a buyer may place is counted in PostgreSQL (``shop/services/order_create.py``). ``/docs/codes/`` lists
all limits with their figures (``config/front.py``).
"""

from ipaddress import IPv6Address, IPv6Network

from core.cache.valkey import client

# Valkey runs a script without interruption. As separate commands, a process that is killed between INCRBY and PEXPIRE
# would leave a counter without an end, and its caller locked out for ever.
_HIT = """
local n = redis.call('INCRBY', KEYS[1], ARGV[3])
if n == tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if n <= tonumber(ARGV[1]) then return 0 end
return redis.call('PTTL', KEYS[1])
"""


def hit(key: str, *, limit: int, window_s: float, count: int = 1) -> int:
    """Count a call of ``key`` and return how many seconds to wait; 0 if the call is within the limit.

    A window begins with the first call and allows ``limit`` calls. ``count``: count this call as so many.
    """
    return _seconds(client().eval(_HIT, 1, _key(key), limit, int(window_s * 1000), count))


def seconds_to_wait(key: str, *, limit: int) -> int:
    """Return what the next ``hit`` of ``key`` would return, without counting a call."""
    is_over = int(client().get(_key(key)) or 0) >= limit
    return _seconds(client().pttl(_key(key))) if is_over else 0


def forget(key: str) -> None:
    """Set the counter of ``key`` back to zero."""
    client().delete(_key(key))


def network_of(address: str) -> str:
    """Return what a limit by address counts as one sender: the IPv4 address, or the IPv6 network /64.

    A provider gives every customer at least a /64: counted by single addresses, a customer would have 2**64 limits.

    :param address: as ``core.api.request.client_ip`` returns it; "" (unknown) stays "".
    """
    if ":" not in address:
        return address
    return str(IPv6Network((int(IPv6Address(address)), 64), strict=False))


def _seconds(wait_ms: int) -> int:
    return max(0, -(-int(wait_ms) // 1000))


def _key(key: str) -> str:
    return f"spms:rate:{key}"
