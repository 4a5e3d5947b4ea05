"""The sockets that show a session hear its codes, its signs and its end; Valkey keeps which they are.

No process has a timer: a sweep asks every 2 s whose next code is due. Each socket gets one every 5 s, up to a second
earlier or later; as a code lives 10 s, one that is shown works.
"""

from collections.abc import Iterator
from datetime import datetime
from math import ceil
from typing import Any, NamedTuple

import redis
import structlog

from accounts.errors import SidUnknown
from core.cache import valkey
from core.times import epoch_ms
from sockets import sessions

log = structlog.get_logger("attendance")

EVERY_MS = 5_000
AHEAD_MS = 1_000  # half the time between two sweeps
MAX_SCREENS = 20  # of a session; each costs every sign a message
MAX_DUE = 500  # at once
CLOSED = "attendanceClosed"
_SCREENS = "spms:attendance:due"  # a sorted set: the screens by the time of their next code (ms)


class Screen(NamedTuple):
    sid: str
    session_pk: int
    base: str  # the address by which its browser reaches us

    def __str__(self) -> str:
        return f"{self.sid} {self.session_pk} {self.base}"


def screen_add(screen: Screen, now: datetime) -> None:
    """Let a socket hear of a session, and of no other one any more.

    :raises SidUnknown: no such socket is connected.
    """
    if not sessions.is_live(screen.sid):
        raise SidUnknown
    shown = _screens()
    of_session = [other for other in shown if other.session_pk == screen.session_pk and other.sid != screen.sid]
    _forget(*(same for same in shown if same.sid == screen.sid), *of_session[: 1 - MAX_SCREENS])
    valkey.client().zadd(_SCREENS, {str(screen): epoch_ms(now) + EVERY_MS})


def screens_due(now: datetime) -> Iterator[Screen]:
    """Return the sockets whose next code is due. If several processes ask at once, each socket is told to one."""
    client, now_ms = valkey.client(), epoch_ms(now)
    for member, due in client.zrangebyscore(_SCREENS, "-inf", now_ms + AHEAD_MS, 0, MAX_DUE, withscores=True):
        later = due + EVERY_MS * max(1, ceil((now_ms - due) / EVERY_MS))
        if client.zadd(_SCREENS, {member: later}, xx=True, gt=True, ch=True):
            yield _read(member)


def screen_tell(screen: Screen, event: str, data: dict[str, Any]) -> None:
    """Send an event to a socket; one that has gone, or hears of the end, is forgotten."""
    if not sessions.emit(screen.sid, event, {"status": 200, "state": True} | data) or event == CLOSED:
        _forget(screen)


def screens_tell(session_pk: int, event: str, data: dict[str, Any]) -> None:
    """Send an event to every socket of a session. What they show is in the database, so an outage is only logged."""
    try:
        for screen in _screens():
            if screen.session_pk == session_pk:
                screen_tell(screen, event, data)
    except (redis.RedisError, OSError) as error:
        log.warning("the screens of a session hear nothing", reason=type(error).__name__)


def screens_end(session_pk: int) -> None:
    """Tell the sockets of a session that it is over."""
    screens_tell(session_pk, CLOSED, {"attendance_id": str(session_pk)})


def _screens() -> list[Screen]:
    return [_read(member) for member in valkey.client().zrange(_SCREENS, 0, -1)]


def _read(member: bytes) -> Screen:
    sid, pk, base = member.decode().split(" ")
    return Screen(sid, int(pk), base)


def _forget(*screens: Screen) -> None:
    if screens:
        valkey.client().zrem(_SCREENS, *map(str, screens))
