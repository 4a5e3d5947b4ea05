"""Find the socket of a caller who names none: in the sandbox alone, for the clients that call ``getScancode`` bare.

Several people may share an address, so a socket is meant only if nothing speaks for another one: it is the only one
there without a code, it still is at the next look, and nobody else at the address asks at the same time.
"""

import secrets
from itertools import islice
from threading import BoundedSemaphore
from time import sleep

from accounts.services.scan_codes import has_code
from core.cache import valkey
from sockets import sessions

LOOKS, LOOK_S = 11, 0.2  # two seconds for a socket that still connects
# At one address, of classes that share it. Each costs a question at each look, and a stranger may open thousands.
MAX_SOCKETS = 300
# Each holds a thread of those that serve calls. One address has one place, so a stranger cannot take them all.
_places = BoundedSemaphore(12)
_ASKING = "spms:scan:asking:"


def waiting_sid(address: str, *, own: str) -> str:
    """Return the sid of the socket at this address that waits for its code; "" if there is none, or it is not clear.

    :param own: the sid that this caller was given before: meant if none waits, since he wants another code for it.
    """
    key, me = _ASKING + address, secrets.token_hex(8)
    lifetime_ms = int(LOOKS * LOOK_S * 1000) + 1000
    if not valkey.client().set(key, me, nx=True, px=lifetime_ms):
        valkey.client().set(key, "", xx=True, keepttl=True)  # the other one's is not clear any more, either
        return ""
    if not _places.acquire(blocking=False):
        valkey.client().delete(key)
        return ""
    try:
        sid = _look(address, own)
    finally:
        _places.release()
        is_alone = valkey.client().getdel(key) == me.encode()
    return sid if is_alone else ""


def _look(address: str, own: str) -> str:
    earlier: list[str] = []
    for _ in range(LOOKS):
        here = sessions.sids_at(address)
        if len(here) > MAX_SOCKETS:
            return ""
        sids = list(islice((sid for sid in here if not has_code(sid)), 2))  # two are as unclear as more
        if len(sids) == 1 and sids == earlier:
            return sids[0]
        earlier = sids
        sleep(LOOK_S)
    return own if not earlier and own in sessions.sids_at(address) else ""
