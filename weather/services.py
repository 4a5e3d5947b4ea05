"""What is done with the weather: store a report, query, sync, and change the account at the provider.

A sync asks the provider, which takes seconds: too long for a transaction with the account's row locked. So a first one
writes a claim into the row (``claimed_until``), and a last update stores the outcome. See docs/weather.md.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from core.audit import audited
from core.cache.ratelimit import hit
from weather.errors import NoWeather, ProviderGarbled, ProviderSilent, WeatherFault, WeatherTooOften
from weather.gateway import TIMEOUT_S, UPSTREAM, Credentials, Report, report_fetch
from weather.models import CLAIM, WeatherAccount, WeatherRecord
from weather.selectors import record_newest
from weather.vault import seal

log = structlog.get_logger("weather")

QUERY_WINDOW_S = 60
FIRST_RETRY_S, MAX_RETRY_S = 15, 1800
_LOOK_AGAIN_S = 0.2
_KEY = ["city", "date", "clock"]
_UNCHANGED = {"id", "created_at", *_KEY}


def record_store(*, report: Report, now: datetime) -> WeatherRecord:
    """Store ``report`` and return its record. A record of the same city, date and update time is overwritten."""
    fresh = WeatherRecord.of(report, at=now)
    changing = [field.name for field in WeatherRecord._meta.concrete_fields if field.name not in _UNCHANGED]
    # Two workers may store the same report at once: one statement inserts or updates, so there is one row.
    WeatherRecord.objects.bulk_create([fresh], update_conflicts=True, unique_fields=_KEY, update_fields=changing)
    return WeatherRecord.objects.get(city=report.city, date=report.date, clock=report.clock)


def record_fetch(credentials: Credentials, city: str, *, now: datetime) -> WeatherRecord:
    """Fetch the present weather of ``city`` and store it.

    :raises WeatherFault: the provider gave no weather of this city.
    """
    report = report_fetch(credentials, city, now=now)
    if not report.is_of(city):
        raise ProviderGarbled(f"天气服务返回了其他城市({report.city})的天气")
    return record_store(report=report, now=now)


def weather_newest(*, now: datetime) -> WeatherRecord:
    """Return the newest record of the default city; if none is stored yet, ask the provider first.

    :raises NoWeather: nothing is stored, and the provider gave no weather within 5 s; ``msg`` says why.
    """
    city = account_get().city_name
    if record := record_newest(city):
        return record
    result = weather_sync(now=now)
    if record := result.record or _record_of_other_sync(city, now):
        return record
    raise NoWeather(result.reason or account_get().last_error or None)


def _record_of_other_sync(city: str, now: datetime) -> WeatherRecord | None:
    """Wait up to ``TIMEOUT_S`` for another process that is asking the provider now; return the newest record then."""
    gives_up_at = time.monotonic() + TIMEOUT_S
    while account_get().is_claimed(now) and time.monotonic() < gives_up_at:
        time.sleep(_LOOK_AGAIN_S)
    return record_newest(city)


def weather_query(*, city: str, caller: str, now: datetime) -> WeatherRecord:
    """Return the present weather of ``city``, fetched from the provider within 5 s. Allowed once a minute per caller.

    :param caller: the key of the user or address in the limit.
    :raises WeatherTooOften: the caller asked less than a minute ago.
    :raises WeatherFault: the provider gave no weather of this city.
    """
    with UPSTREAM.room(ProviderSilent):
        if hit(f"weather:{caller}", limit=1, window_s=QUERY_WINDOW_S):
            raise WeatherTooOften
        return record_fetch(account_get().credentials, city, now=now)


@dataclass(frozen=True)
class SyncResult:
    """The record of a sync that succeeded; otherwise ``reason``, a text for people, which is "" if no sync was due."""

    record: WeatherRecord | None = None
    reason: str = ""


def weather_sync(*, now: datetime, force: bool = False) -> SyncResult:
    """Fetch and store the default city's weather if a sync is due; with ``force`` in any case."""
    account = _claim(now, force=force)
    if account is None:
        return SyncResult(reason="正在同步,请稍后再看" if force else "")
    try:
        record = record_fetch(account.credentials, account.city_name, now=now)
    except WeatherFault as fault:
        _record_failure(account, fault, now)
        return SyncResult(reason=fault.msg)
    WeatherAccount.objects.filter(pk=1).update(
        last_success_at=now,
        synced_city=account.city_name,
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


def _record_failure(account: WeatherAccount, fault: WeatherFault, now: datetime) -> None:
    wait_s = min(FIRST_RETRY_S * 2 ** min(account.failures, 10), MAX_RETRY_S)
    WeatherAccount.objects.filter(pk=1).update(
        claimed_until=None,
        failures=account.failures + 1,
        next_try_at=now + timedelta(seconds=wait_s),
        last_error=fault.msg[:255],
    )
    log.warning("weather sync failed", reason=fault.msg, retry_in_s=wait_s)


def account_get() -> WeatherAccount:
    """Return the only row, which is created at the first call."""
    return WeatherAccount.objects.get_or_create(pk=1)[0]


def account_try(*, credentials: Credentials, city: str, now: datetime) -> None:
    """Check ``credentials`` by fetching the weather of ``city`` with them; the weather is stored.

    :raises WeatherFault: the provider refused or did not answer.
    """
    report = report_fetch(credentials, city, now=now)
    if report.is_of(city):
        record_store(report=report, now=now)


def account_change(*, credentials: Credentials, changed_by: str, now: datetime) -> None:
    """Replace the credentials if the provider accepts the new ones.

    :raises WeatherFault: it did not; nothing was changed.
    """
    account = account_get()
    account_try(credentials=credentials, city=account.city_name, now=now)
    account_keep(credentials=credentials, changed_by=changed_by, now=now)


def account_keep(
    *, credentials: Credentials | None = None, city: str | None = None, changed_by: str, now: datetime
) -> None:
    """Store credentials or city that were tried before; None means no change. A failed sync is retried at once."""
    changes: dict[str, Any] = {"next_try_at": None}
    if city is not None:
        changes["city"] = city
    if credentials is not None:
        changes |= {"version": credentials.version, "appid": credentials.appid, "changed_at": now}
        changes["sealed_secret"] = seal(credentials.appsecret)
    account = WeatherAccount.objects.filter(pk=account_get().pk)
    with audited(account):
        account.update(**changes)
    log.info("weather account changed", by=changed_by, credentials=credentials is not None)
