"""The sync: fetch the default city's weather every 8 hours from 00:00 Asia/Shanghai on.

The account's row says when a sync last succeeded, so each process can find out whether one is due, and one that was
missed is made up. Asking the provider takes seconds, which is too long for a transaction with the row locked. So a
first short transaction writes a claim into the row (``claimed_until``), then the provider is asked, and a last update
stores the outcome. A claim expires after ``CLAIM``, in case its process dies.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from weather.errors import ProviderGarbled, WeatherFault
from weather.gateway import TIMEOUT_S, report_fetch
from weather.models import CLAIM, WeatherAccount, WeatherRecord
from weather.services.account import account_get
from weather.services.records import record_store

log = structlog.get_logger("weather")

FIRST_RETRY_S, LONGEST_RETRY_S = 15, 1800


@dataclass(frozen=True)
class SyncResult:
    """The record of a sync that succeeded; otherwise ``reason``, a text for people, which is "" if no sync was due."""

    record: WeatherRecord | None = None
    reason: str = ""


def weather_sync(*, now: datetime, force: bool = False, timeout_s: float = TIMEOUT_S) -> SyncResult:
    """Fetch and store the default city's weather if a sync is due; with ``force`` in any case."""
    claimed = _claim(now, force=force)
    if claimed is None:
        return SyncResult(reason="正在同步,请稍后再看" if force else "")
    try:
        record = _fetch(claimed, now, timeout_s)
    except WeatherFault as fault:
        _record_failure(claimed, fault, now)
        return SyncResult(reason=fault.msg)
    WeatherAccount.objects.filter(pk=1).update(
        last_success_at=now,
        synced_city=claimed.city_name,
        claimed_until=None,
        failures=0,
        next_try_at=None,
        last_error="",
    )
    log.info("weather synced", city=record.city, update_time=record.update_time)
    return SyncResult(record=record)


def _claim(now: datetime, *, force: bool) -> WeatherAccount | None:
    """Claim the sync for this process; return None if none is due or another process has the claim."""
    if not (force or account_get().is_due(now)):
        return None
    with transaction.atomic():
        account = WeatherAccount.objects.select_for_update().get(pk=account_get().pk)
        # Check again under the lock: the process that held it before may just have synced.
        if account.is_claimed(now) or not (force or account.is_due(now)):
            return None
        account.claimed_until, account.last_attempt_at = now + CLAIM, now
        account.save(update_fields=["claimed_until", "last_attempt_at"])
        return account


def _fetch(account: WeatherAccount, now: datetime, timeout_s: float) -> WeatherRecord:
    report = report_fetch(account.credentials, account.city_name, now=now, timeout_s=timeout_s)
    if not report.is_of(account.city_name):
        raise ProviderGarbled(f"天气服务返回了其他城市({report.city})的天气")
    return record_store(report=report, now=now)


def _record_failure(account: WeatherAccount, fault: WeatherFault, now: datetime) -> None:
    wait_s = min(FIRST_RETRY_S * 2 ** min(account.failures, 10), LONGEST_RETRY_S)
    WeatherAccount.objects.filter(pk=1).update(
        claimed_until=None,
        failures=account.failures + 1,
        next_try_at=now + timedelta(seconds=wait_s),
        last_error=fault.msg[:255],
    )
    log.warning("weather sync failed", reason=fault.msg, retry_in_s=wait_s)
