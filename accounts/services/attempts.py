"""Keeping track of who tried to log in, without letting a flood of tries fill the disk.

What may be written is bounded three ways: equal tries of a minute share a row, a minute has room for
``MOST_A_MINUTE`` tries of the whole site, and the hourly clean-up leaves the newest ``MOST_KEPT`` rows.
"""

from datetime import datetime, timedelta
from typing import TypeAlias, TypedDict

import redis
from django.conf import settings
from django.db import connection

from accounts.models import LoginAttempt
from core.cache import ratelimit
from core.db.purge import BATCH, rows_purge

MOST_A_MINUTE = 1000
MOST_KEPT = 200_000
_MINUTE_S = 60
_LENGTHS = {"username": 64, "device": 200}
Door: TypeAlias = LoginAttempt.Door
Outcome: TypeAlias = LoginAttempt.Outcome

# One statement adds or counts: of two equal tries at once neither is lost.
_RECORD = """
INSERT INTO accounts_loginattempt (at, door, outcome, username, ip, device, times) VALUES (%s, %s, %s, %s, %s, %s, 1)
ON CONFLICT (at, door, outcome, username, ip) DO UPDATE SET times = accounts_loginattempt.times + 1
"""


class Where(TypedDict):
    """Where somebody tries to log in, and when; ``device`` is what it says it is, its ``User-Agent``."""

    door: Door
    ip: str
    device: str
    now: datetime


def attempt_record(*, door: Door, outcome: Outcome, username: str, ip: str, device: str, now: datetime) -> None:
    """Write down one try to log in, as it was typed."""
    if _is_flood(outcome, ip):
        return
    name, agent = _printable(username, _LENGTHS["username"]), _printable(device, _LENGTHS["device"])
    minute = now.replace(second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [minute, door.value, outcome.value, name, ip, agent])


def attempts_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete what ``AUDIT_KEEP_DAYS`` keeps no longer, and all but the newest ``MOST_KEPT``; answer how many."""
    gone = 0
    if settings.AUDIT_KEEP_DAYS:
        kept_from = now - timedelta(days=settings.AUDIT_KEEP_DAYS)
        gone += rows_purge(LoginAttempt.objects.filter(at__lt=kept_from), batch=batch)
    oldest_kept = LoginAttempt.objects.order_by("-pk").values_list("pk", flat=True)[MOST_KEPT - 1 : MOST_KEPT].first()
    if oldest_kept is not None:
        gone += rows_purge(LoginAttempt.objects.filter(pk__lt=oldest_kept), batch=batch)
    return gone


def _is_flood(outcome: Outcome, ip: str) -> bool:
    try:
        # Being held off costs the sender nothing, so one note a minute says it for all his names.
        if outcome is Outcome.MANY and ratelimit.hit(
            f"attempts:held:{ratelimit.network_of(ip)}", limit=1, window_s=_MINUTE_S
        ):
            return True
        return bool(ratelimit.hit("attempts:site", limit=MOST_A_MINUTE, window_s=_MINUTE_S))
    except redis.RedisError:
        return False  # without Valkey each try costs a password hash, which is limit enough


def _printable(text: str, length: int) -> str:
    """Cut short, and without what a database or a screen might choke on."""
    return "".join(char if char.isprintable() else " " for char in text[:length]).strip()
