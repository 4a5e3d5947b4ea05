"""The QR codes of the scan login: made for one socket, good for one scan, over after ``WECHAT_QR_TTL``.

Their state is in Valkey and every step is atomic, so any process may take any step and any number may try.
Knows no models: the socket processes import it.
"""

from functools import cache
from typing import Any
from urllib.parse import quote

from django.conf import settings

from accounts.errors import CodeInvalid, SidUnknown
from accounts.socketio import sessions
from core.cache import valkey
from core.ids import random_text

STATE_LENGTH = 32
INVALID = {"state": False, "status": 10004, "msg": "无效的二维码"}

# A code outlives its deadline by this much, for whoever tells its socket.
_GRACE_MS = 60_000
_DUE = "spms:scan:due"
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
# ARGV: state, sid, ttl_ms, grace_ms
_MAKE = """
local earlier = redis.call('GET', of .. ARGV[2])
if earlier then take(earlier) end
local keep = ARGV[3] + ARGV[4]
redis.call('SET', code .. ARGV[1], ARGV[2], 'PX', keep)
redis.call('SET', of .. ARGV[2], ARGV[1], 'PX', keep)
redis.call('ZADD', due, string.format('%.0f', now + ARGV[3]), ARGV[1])
return 1
"""
# ARGV: state. Only one caller gets the sid.
_CLAIM = """
local deadline = redis.call('ZSCORE', due, ARGV[1])
if not deadline or tonumber(deadline) <= now then return false end
return take(ARGV[1])
"""
_EXPIRE = """
local sids = {}
for _, state in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 500)) do
  local sid = take(state)
  if sid then sids[#sids + 1] = sid end
end
return sids
"""


def greeting(sid: str) -> tuple[str, dict[str, Any]]:
    """What a socket is told when it has connected."""
    return "connectSuccess", {"state": True, "status": 200, "sid": sid, "msg": "连接成功"}


def code_make(*, sid: str, callback_url: str, oauth_base_url: str) -> str:
    """Make a code for a connected socket, retiring its earlier one; answer the address to be scanned.

    :raises SidUnknown: no such socket is connected.
    """
    if not sessions.is_live(sid):
        raise SidUnknown
    state = random_text(STATE_LENGTH)
    ttl_ms = int(settings.WECHAT_QR_TTL.total_seconds() * 1000)
    _run(_MAKE, state, sid, ttl_ms, _GRACE_MS)
    # WeChat matches the order of the parameters.
    return (
        f"{oauth_base_url}/connect/oauth2/authorize?appid={settings.WECHAT_APP_ID}"
        f"&redirect_uri={quote(callback_url, safe='')}&response_type=code&scope=snsapi_userinfo&state={state}"
        "#wechat_redirect"
    )


def code_scanned(*, state: str, wechat_code: str) -> None:
    """Hand WeChat's code to the one socket that showed the QR.

    :raises CodeInvalid: unknown, expired or used; of two phones at once the second gets this.
    """
    sid = _run(_CLAIM, state) if _is_state(state) else None
    event = {"status": 200, "state": True, "msg": "已扫码", "wechatCode": wechat_code}
    if sid is None or not sessions.emit(sid.decode(), "scancodeSuccess", event):
        raise CodeInvalid


def is_open(state: str) -> bool:
    """Tell whether a code still waits to be scanned."""
    return _is_state(state) and valkey.client().exists(f"spms:scan:code:{state}") == 1


def codes_expire() -> None:
    """Tell the sockets whose codes have run out. Each is told once, however many processes call this."""
    for sid in _run(_EXPIRE):
        sessions.emit(sid.decode(), "invalidCode", INVALID)


def _is_state(text: str) -> bool:
    return len(text) == STATE_LENGTH and text.isascii() and text.isalnum()


def _run(body: str, *args: Any) -> Any:
    return _script(body)(keys=[_DUE], args=list(args))


@cache
def _script(body: str) -> Any:
    return valkey.client().register_script(_COMMON + body)
