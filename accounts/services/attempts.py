"""Record attempts to log in (``LoginAttempt``).

Strangers can cause any number of attempts, so bounds keep them from filling the disk: equal attempts of a minute share
a row, the whole site records ``MAX_A_MINUTE`` attempts a minute, and the hourly clean-up keeps the newest
``MAX_KEPT`` rows. Of those in the name of a member of staff, ``MAX_REFUSALS_AN_HOUR`` also enter the list of what
staff did.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import redis
from django.conf import settings
from django.db import connection

from accounts.captcha import NO_ANSWER, CaptchaAnswer
from accounts.models import LoginAttempt, LoginMethod, User
from core.audit import DEVICE, StaffAction, action_record
from core.cache import ratelimit
from core.db.purge import BATCH, rows_purge

MAX_A_MINUTE = 1000
MAX_KEPT = 200_000
MAX_REFUSALS_AN_HOUR = 30  # in the name of one member of staff, shown in the list of what staff did
_MINUTE_S = 60
_HOUR_S = 3600
_LENGTHS = {"username": 64, "device": 200}
Outcome: TypeAlias = LoginAttempt.Outcome
# With the others people type a number, or WeChat names them.
_METHODS_WITH_NAMES = {LoginMethod.API, LoginMethod.OFFICE}

# Two equal attempts may arrive at once. One statement inserts the row or increments its counter, so neither is lost.
_RECORD = """
INSERT INTO accounts_loginattempt (at, door, outcome, username, ip, device, times) VALUES (%s, %s, %s, %s, %s, %s, 1)
ON CONFLICT (at, door, outcome, username, ip) DO UPDATE SET times = accounts_loginattempt.times + 1
RETURNING times
"""


@dataclass(frozen=True, kw_only=True)
class LoginContext:
    """How, from where and when a person tries to log in.

    :param device: the ``User-Agent`` that was sent.
    :param devices: the users as whom this device has logged in before, each with the epoch and an id of the device.
    """

    method: LoginMethod
    ip: str
    device: str = ""
    devices: Mapping[str, str] = field(default_factory=dict)
    captcha: CaptchaAnswer = NO_ANSWER
    now: datetime

    @property
    def network(self) -> str:
        return ratelimit.network_of(self.ip)


def attempt_record(context: LoginContext, *, outcome: Outcome, username: str) -> None:
    """Record one attempt to log in, with the name as it was typed; during a flood do nothing."""
    # An attempt that is over the limit costs its sender nothing, and each may name another user. So record only one a
    # minute for each address.
    if outcome is Outcome.MANY and _is_over(f"held:{context.network}", 1, _MINUTE_S):
        return
    if _is_over("site", MAX_A_MINUTE, _MINUTE_S):
        return
    name, agent = _printable(username, _LENGTHS["username"]), _printable(context.device, _LENGTHS["device"])
    minute = context.now.replace(second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [minute, context.method.value, outcome.value, name, context.ip, agent])
        [times] = cursor.fetchone()
    if context.method in _METHODS_WITH_NAMES and name == username and (outcome is Outcome.DONE or times == 1):
        _record_login(context.method, outcome, username, agent)


def _record_login(method: LoginMethod, outcome: Outcome, username: str, agent: str) -> None:
    """Show an attempt in the name of a member of staff in the list of what staff did, whether it succeeded or not."""
    user = User.objects.filter(username=username, is_staff=True).first()
    if user is None:
        return
    is_done = outcome is Outcome.DONE
    # Strangers can cause refusals from any number of addresses, and nothing bounds the list of what staff did but time.
    if not is_done and _is_over(f"staff:{user.pk}", MAX_REFUSALS_AN_HOUR, _HOUR_S, without_valkey=True):
        return
    entry = {"入口": method.label, "结果": "" if is_done else outcome.label, DEVICE: agent}
    # A refused login does not prove who tried it.
    action_record(
        user, StaffAction.LOGIN if is_done else StaffAction.LOGIN_REFUSED, entry, actor_pk=user.pk if is_done else None
    )


def attempts_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete attempts older than ``AUDIT_KEEP_DAYS``, and all but the newest ``MAX_KEPT``; return how many."""
    number = 0
    if settings.AUDIT_KEEP_DAYS:
        keep_from = now - timedelta(days=settings.AUDIT_KEEP_DAYS)
        number += rows_purge(LoginAttempt.objects.filter(at__lt=keep_from), batch=batch)
    oldest_kept = LoginAttempt.objects.order_by("-pk").values_list("pk", flat=True)[MAX_KEPT - 1 : MAX_KEPT].first()
    if oldest_kept is not None:
        number += rows_purge(LoginAttempt.objects.filter(pk__lt=oldest_kept), batch=batch)
    return number


def _is_over(name: str, limit: int, window_s: int, *, without_valkey: bool = False) -> bool:
    try:
        return bool(ratelimit.hit(f"attempts:{name}", limit=limit, window_s=window_s))
    except redis.RedisError:
        return without_valkey  # each attempt costs a password hash, which limits them too


def _printable(text: str, length: int) -> str:
    """Cut ``text`` to ``length`` characters and replace unprintable ones, such as NUL, which PostgreSQL refuses."""
    return "".join(char if char.isprintable() else " " for char in text[:length]).strip()
