"""The time by the database's clock; and how times are written: in Asia/Shanghai and 24-hour."""

import time as clock
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, overload
from zoneinfo import ZoneInfo

import structlog
from celery.exceptions import Ignore
from django.db import DatabaseError, connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST_YEAR, LAST_YEAR = 1990, 2200  # a day outside is a slip of the keyboard
MAX_SKEW_S = 60
READ_AGAIN_S = 30
# Clocks that agree so far are the same: on a busy machine the question itself may take that long.
EXACT_S = 1

log = structlog.get_logger("core.times")


class ClocksDiffer(Ignore):
    """This host's clock and the database's differ: one of them is wrong, so nothing may be closed or deleted by it.

    Celery drops a task that raises this without a traceback, which a sweep would otherwise log every 2 s.
    """


# The same moment by the database's clock, in seconds since 1970, and by one that is never set.
_reading: tuple[float, float] | None = None


def _steady_s() -> float:
    # Unlike time.monotonic() it goes on while a virtual machine is suspended; macOS has none.
    return clock.clock_gettime(getattr(clock, "CLOCK_BOOTTIME", clock.CLOCK_MONOTONIC))


@receiver(connection_created)
def _read(connection: Any, **_: Any) -> None:
    """Read the database's clock when a connection is taken, at most every 30 s: no extra query for a request."""
    global _reading
    if _reading and _steady_s() - _reading[1] < READ_AGAIN_S:
        return
    before = clock.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        theirs = float(cursor.fetchone()[0])
    ours = clock.time()
    differs_s = (before + ours) / 2 - theirs
    _reading = (ours if abs(differs_s) < EXACT_S else ours - differs_s, _steady_s())
    if abs(differs_s) > MAX_SKEW_S:
        log.error("the clocks of this host and of the database differ", ahead_s=round(differs_s))


def now() -> datetime:
    """Return the time by the database's clock, so that all hosts agree on what is due.

    Services are given the moment as ``now``, so that one piece of work has one. They call this only where a moment must
    be later than a lock, or where the time is not part of a rule (a token, a signature, the name of a file).
    Until a process has reached the database it is this host's time.
    """
    if _reading is None:
        try:
            connection.ensure_connection()
        except DatabaseError:
            pass  # the caller's first query will say so
    if _reading is None:
        return datetime.now(UTC)
    at_s, steady_s = _reading
    return datetime.fromtimestamp(at_s + _steady_s() - steady_s, UTC)


def agreed_now() -> datetime:
    """Return the time for a task that closes or deletes.

    :raises ClocksDiffer: this host's clock and the database's differ by more than 60 s.
    """
    connection.ensure_connection()
    if abs(ahead_s()) > MAX_SKEW_S:
        raise ClocksDiffer(f"This host's clock is ahead of the database's by {ahead_s():.0f} s.")
    return now()


def ahead_s() -> float:
    """Return by how many seconds this host's clock is ahead of the database's."""
    return clock.time() - now().timestamp()


def local(moment: datetime) -> datetime:
    return moment.astimezone(SHANGHAI)


def format_api_time(moment: datetime | None) -> str:
    """``2019/05/09 02:14:12``: the calls of all apps but the shop."""
    if moment is None:
        return ""
    t = local(moment)  # strftime takes three times as long, and a list writes a thousand times
    return f"{t.year}/{t.month:02}/{t.day:02} {t.hour:02}:{t.minute:02}:{t.second:02}"


def format_office_time(moment: datetime | None) -> str:
    """``2019-05-09 02:14:12``: the back office. ``config/formats`` sets the same format for Django."""
    return f"{local(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


@overload
def format_shop_time(moment: datetime) -> str: ...
@overload
def format_shop_time(moment: None) -> None: ...
def format_shop_time(moment: datetime | None) -> str | None:
    """``2020-12-31,12:59:59``: shop records."""
    if moment is None:
        return None
    t = local(moment)  # as in `format_api_time`
    return f"{t.year}-{t.month:02}-{t.day:02},{t.hour:02}:{t.minute:02}:{t.second:02}"


def epoch_ms(moment: datetime) -> int:
    """Return a moment as JavaScript counts: milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def day_of(text: str) -> date | None:
    """Read a day such as ``2026-11-30``; None for a text that is none, or none of our years."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def day_begins(day: date) -> datetime:
    """Return the first moment of a day in Asia/Shanghai."""
    return datetime.combine(day, time.min, SHANGHAI)


def unit_begin(unit: str, day: date) -> date:
    """Return the first day of a day's ``day``, ``week`` or ``month``."""
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def span(length: timedelta) -> str:
    """Return a time span as people write it: ``2 分钟``."""
    seconds = int(length.total_seconds())
    for unit, name in ((86400, "天"), (3600, "小时"), (60, "分钟")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} 秒"
