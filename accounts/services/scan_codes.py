"""The QR codes of the scan login. Each belongs to one socket, can be scanned once, and expires after ``WECHAT_QR_TTL``.

A scan, a new code for the same socket and the expiry run in different processes and may come at once. The process
that removes the code from the set of open ones may use it: Valkey tells one caller only that it has removed it.
"""

from itertools import islice
from threading import BoundedSemaphore
from time import sleep
from urllib.parse import quote

from django.conf import settings
from django.utils.crypto import get_random_string

from accounts.errors import CodeInvalid, SidUnknown
from core.cache import ratelimit, valkey
from sockets import sessions

STATE_LENGTH = 32
INVALID = {"state": False, "status": 10004, "msg": "无效的二维码"}

# A code is kept for this time after its deadline, so that the expiry can still find its socket and tell it.
_GRACE_MS = 60_000
MAX_EXPIRED = 500  # at once
_OPEN = "spms:scan:due"  # a sorted set of codes by deadline (ms)
_CODE, _NEWEST = "spms:scan:code:", "spms:scan:of:"  # the sid of a code; the newest code of a sid
# For a caller who names no socket:
LOOKS, LOOK_S = 11, 0.2  # two seconds for a socket that still connects
# At one address, of classes that share it. Each costs a question at each look, and a stranger may open thousands.
MAX_SOCKETS = 300
# Each holds a thread of those that serve calls. One address has one place, so a stranger cannot take them all.
_places = BoundedSemaphore(12)
ASKING_S = 10  # how long an address is shut out if the process dies that looks for it


def scan_code_make(*, sid: str, callback_url: str, oauth_base_url: str) -> str:
    """Create a code for a connected socket, which ends its earlier one; return the URL to be scanned.

    :raises SidUnknown: no such socket is connected.
    """
    if not sessions.is_live(sid):
        raise SidUnknown
    state = get_random_string(STATE_LENGTH)
    ttl_ms = int(settings.WECHAT_QR_TTL.total_seconds() * 1000)
    valkey.client().set(_CODE + state, sid, px=ttl_ms + _GRACE_MS)
    valkey.client().zadd(_OPEN, {state: _now_ms() + ttl_ms})
    # Last, so that of two new codes at once the one that comes second here finds the other one open, and ends it.
    if earlier := valkey.client().set(_NEWEST + sid, state, px=ttl_ms + _GRACE_MS, get=True):
        _take(earlier.decode())
    return consent_url(state=state, callback_url=callback_url, oauth_base_url=oauth_base_url)


def consent_url(*, state: str, callback_url: str, oauth_base_url: str) -> str:
    """Return the address at which WeChat asks the person on the phone."""
    # WeChat requires the parameters in this order.
    return (
        f"{oauth_base_url}/connect/oauth2/authorize?appid={settings.WECHAT_APP_ID}"
        f"&redirect_uri={quote(callback_url, safe='')}&response_type=code&scope=snsapi_userinfo&state={state}"
        "#wechat_redirect"
    )


def code_scanned(*, state: str, wechat_code: str) -> None:
    """Send WeChat's code to the socket that showed the QR code.

    :raises CodeInvalid: the QR code is unknown, expired or used; if two phones scan at once, the second gets this.
    """
    deadline = valkey.client().zscore(_OPEN, state) or 0
    sid = _take(state) if deadline > _now_ms() else ""
    event = {"status": 200, "state": True, "msg": "已扫码", "wechatCode": wechat_code}
    if not sid or not sessions.emit(sid, "scancodeSuccess", event):
        raise CodeInvalid


def is_open(state: str) -> bool:
    """Tell whether a code can still be scanned."""
    return valkey.client().exists(_CODE + state) == 1


def has_code(sid: str) -> bool:
    """Tell whether the newest code of a socket can still be scanned."""
    state = valkey.client().get(_NEWEST + sid)
    return state is not None and is_open(state.decode())


def codes_expire() -> None:
    """Tell the sockets whose codes have expired. Each is told once, even if several processes call this at once."""
    for state in valkey.client().zrangebyscore(_OPEN, "-inf", _now_ms(), 0, MAX_EXPIRED):
        if sid := _take(state.decode()):
            sessions.emit(sid, "invalidCode", INVALID)


def waiting_sid(address: str, *, own: str) -> str:
    """Return the sid of the socket at this address that waits for its code; "" if there is none, or it is not clear.

    In the sandbox alone, for the clients that call ``getScancode`` bare. Several people may share an address, so a
    socket is meant only if nothing speaks for another one: it is the only one there without a code, it still is at the
    next look, and nobody else at the address asks at the same time.

    :param own: the sid that this caller was given before: meant if none waits, since he wants another code for it.
    """
    asking = f"scan:asking:{address}"
    if ratelimit.hit(asking, limit=1, window_s=ASKING_S):
        return ""  # counted, so that the other one's is not clear any more, either
    try:
        if not _places.acquire(blocking=False):
            return ""
        try:
            sid = _look(address, own)
        finally:
            _places.release()
        return "" if ratelimit.seconds_to_wait(asking, limit=2) else sid
    finally:
        ratelimit.forget(asking)


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


def _take(state: str) -> str:
    """Use a code up; return its sid, "" if another caller was faster."""
    if not valkey.client().zrem(_OPEN, state):
        return ""
    return (valkey.client().getdel(_CODE + state) or b"").decode()


def _now_ms() -> int:
    seconds, microseconds = valkey.client().time()  # the same for all processes
    return int(seconds) * 1000 + int(microseconds) // 1000
