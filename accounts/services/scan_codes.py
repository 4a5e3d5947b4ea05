"""The QR codes of the scan login. Each belongs to one socket, can be scanned once, and expires after ``WECHAT_QR_TTL``.

Problem: the request that creates a code, the phone's callback and the expiry run in different processes and may come at
once; with separate commands a code could be used twice. So each step is one atomic Lua script in Valkey.
This module imports no models, because the socket processes import it before Django is set up.
"""

from functools import cache
from typing import Any
from urllib.parse import quote

from django.conf import settings

from accounts.errors import CodeInvalid, SidUnknown
from core.cache import valkey
from core.ids import random_text
from sockets import sessions

STATE_LENGTH = 32
INVALID = {"state": False, "status": 10004, "msg": "无效的二维码"}

# A code is kept for this time after its deadline, so that the expiry can still find its socket and tell it.
_GRACE_MS = 60_000
_DUE = "spms:scan:due"
# Keys: `due` is a sorted set of codes by deadline (ms); `code`..state holds the sid; `of`..sid holds its newest state.
# take: remove a code and return its sid, or false if another caller was faster.
_COMMON = """
local due, code, of = KEYS[1], 'spms:scan:code:', 'spms:scan:of:'
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function take(state)
  redis.call('ZREM', due, state)
  local sid = redis.call('GETDEL', code .. state)
  if sid and redis.call('GET', of .. sid) == state then redis.call('DEL', of .. sid) end
  return sid
end
"""
# Create a code and remove the socket's earlier one. ARGV: state, sid, ttl_ms, grace_ms
_MAKE = """
local earlier = redis.call('GET', of .. ARGV[2])
if earlier then take(earlier) end
local keep = ARGV[3] + ARGV[4]
redis.call('SET', code .. ARGV[1], ARGV[2], 'PX', keep)
redis.call('SET', of .. ARGV[2], ARGV[1], 'PX', keep)
redis.call('ZADD', due, string.format('%.0f', now + ARGV[3]), ARGV[1])
return 1
"""
# Use up a code that has not expired. ARGV: state. Returns the sid to one caller only, false to all others.
_CLAIM = """
local deadline = redis.call('ZSCORE', due, ARGV[1])
if not deadline or tonumber(deadline) <= now then return false end
return take(ARGV[1])
"""
# Remove up to 500 codes whose deadline has passed; returns the sids of their sockets.
_EXPIRE = """
local sids = {}
for _, state in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 500)) do
  local sid = take(state)
  if sid then sids[#sids + 1] = sid end
end
return sids
"""


def greeting(sid: str) -> tuple[str, dict[str, Any]]:
    """Return the first event of a new socket: its name and its data, which hold the sid."""
    return "connectSuccess", {"state": True, "status": 200, "sid": sid, "msg": "连接成功"}


def code_make(*, sid: str, callback_url: str, oauth_base_url: str) -> str:
    """Create a code for a connected socket, which ends its earlier one; return the URL to be scanned.

    :raises SidUnknown: no such socket is connected.
    """
    if not sessions.is_live(sid):
        raise SidUnknown
    state = random_text(STATE_LENGTH)
    ttl_ms = int(settings.WECHAT_QR_TTL.total_seconds() * 1000)
    _run(_MAKE, state, sid, ttl_ms, _GRACE_MS)
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
    sid = _run(_CLAIM, state) if _is_state(state) else None
    event = {"status": 200, "state": True, "msg": "已扫码", "wechatCode": wechat_code}
    if sid is None or not sessions.emit(sid.decode(), "scancodeSuccess", event):
        raise CodeInvalid


def is_open(state: str) -> bool:
    """Tell whether a code can still be scanned."""
    return _is_state(state) and valkey.client().exists(f"spms:scan:code:{state}") == 1


def codes_expire() -> None:
    """Tell the sockets whose codes have expired. Each is told once, even if several processes call this at once."""
    for sid in _run(_EXPIRE):
        sessions.emit(sid.decode(), "invalidCode", INVALID)


def _is_state(text: str) -> bool:
    return len(text) == STATE_LENGTH and text.isascii() and text.isalnum()


def _run(body: str, *args: Any) -> Any:
    return _script(body)(keys=[_DUE], args=list(args))


@cache
def _script(body: str) -> Any:
    return valkey.client().register_script(_COMMON + body)
