"""The sockets that show a session hear its codes, its signs and its end; Valkey keeps which they are.

No process has a timer: a sweep asks every 2 s whose next code is due. Each socket gets one every 5 s, up to a second
earlier or later; as a code lives 10 s, one that is shown works.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from math import ceil
from typing import Any, NamedTuple

import redis
import structlog

from accounts.errors import SidUnknown
from core.cache import valkey
from sockets import sessions

log = structlog.get_logger("attendance")

EVERY_MS = 5_000
AHEAD_MS = 1_000  # half the time between two sweeps
MAX_SCREENS = 20  # of a session; each costs every sign a message
MAX_DUE = 500  # at once
_TICKS = "spms:attendance:ticks"  # a sorted set of sids by the time of the next code (ms)
_SCREENS = "spms:attendance:screens"  # a hash: what each sid shows


class Screen(NamedTuple):
    sid: str
    session_pk: int
    base: str  # the address by which its browser reaches us


def screen_add(screen: Screen, now: datetime) -> None:
    """Let a socket hear of a session, and of no other one any more.

    :raises SidUnknown: no such socket is connected.
    """
    if not sessions.is_live(screen.sid):
        raise SidUnknown
    client = valkey.client()
    client.hset(_SCREENS, screen.sid, f"{screen.session_pk} {screen.base}")
    client.zadd(_TICKS, {screen.sid: _ms(now) + EVERY_MS})
    for sid in _sids_of(screen.session_pk)[:-MAX_SCREENS]:
        _forget(sid)


def screens_due(now: datetime) -> Iterator[Screen]:
    """Return the sockets whose next code is due. If several processes ask at once, each socket is told to one."""
    client, now_ms = valkey.client(), _ms(now)
    for member, due in client.zrangebyscore(_TICKS, "-inf", now_ms + AHEAD_MS, 0, MAX_DUE, withscores=True):
        later = due + EVERY_MS * max(1, ceil((now_ms - due) / EVERY_MS))
        shown = client.hget(_SCREENS, member)
        if shown is None:
            client.zrem(_TICKS, member)
        elif client.zadd(_TICKS, {member: later}, xx=True, gt=True, ch=True):
            pk, base = shown.decode().split(" ")
            yield Screen(member.decode(), int(pk), base)


def screen_tell(sid: str, event: str, data: dict[str, Any]) -> None:
    """Send an event to a socket; one that has gone is forgotten."""
    if not sessions.emit(sid, event, data):
        _forget(sid)


def screens_tell(session_pk: int, event: str, data: dict[str, Any]) -> None:
    """Send an event to every socket of a session. What they show is in the database, so an outage is only logged."""
    try:
        for sid in _sids_of(session_pk):
            screen_tell(sid, event, data)
    except (redis.RedisError, OSError) as error:
        log.warning("the screens of a session hear nothing", reason=type(error).__name__)


def screens_end(session_pk: int) -> None:
    """Tell the sockets of a session that it is over; they hear nothing more."""
    closed = {"status": 200, "state": True, "attendance_id": str(session_pk)}
    screens_tell(session_pk, "attendanceClosed", closed)
    with suppress(redis.RedisError, OSError):  # the next sweep finds them
        for sid in _sids_of(session_pk):
            _forget(sid)


def _sids_of(session_pk: int) -> list[str]:
    shown = valkey.client().hgetall(_SCREENS)
    return [sid.decode() for sid, text in shown.items() if text.startswith(b"%d " % session_pk)]


def _forget(sid: str) -> None:
    valkey.client().zrem(_TICKS, sid)
    valkey.client().hdel(_SCREENS, sid)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
