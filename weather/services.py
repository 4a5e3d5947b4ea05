"""What is done with the weather: query, sync, and change the account at the provider. See docs/weather.md."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from core.audit import audited
from core.cache.ratelimit import hit
from weather.errors import NoWeather, ProviderSilent, WeatherFault, WeatherTooOften
from weather.gateway import UPSTREAM, Columns, Credentials, report_fetch
from weather.models import WeatherAccount, WeatherRecord, slot_start
from weather.secret_encryption import seal
from weather.selectors import history

log = structlog.get_logger("weather")

QUERY_WINDOW_S = 60
# After a sync began, no other begins for this long: neither at the same time, nor at once after one that failed.
SYNC_PAUSE = timedelta(minutes=5)
_KEY = ["city", "date", "clock"]
_UNCHANGED = {"id", "created_at", *_KEY}


def record_store(columns: Columns, *, now: datetime) -> WeatherRecord:
    """Store a report and return its record. A record of the same city, date and update time is overwritten."""
    fresh = WeatherRecord(**columns, created_at=now, seen_at=now)
    changing = [field.name for field in WeatherRecord._meta.concrete_fields if field.name not in _UNCHANGED]
    # Two workers may store the same report at once: one statement inserts or updates, so there is one row.
    WeatherRecord.objects.bulk_create([fresh], update_conflicts=True, unique_fields=_KEY, update_fields=changing)
    return WeatherRecord.objects.get(**{name: columns[name] for name in _KEY})


def record_fetch(credentials: Credentials, city: str, *, now: datetime) -> WeatherRecord:
    """Fetch the present weather of ``city`` and store it.

    :raises WeatherFault: the provider gave no weather of this city.
    """
    return record_store(report_fetch(credentials, city, now=now), now=now)


def weather_newest(*, now: datetime) -> WeatherRecord:
    """Return the newest record of the default city; if none is stored yet, ask the provider first.

    :raises NoWeather: nothing is stored, and the provider gave no weather within 5 s; ``msg`` says why.
    """
    if record := history(account_get().city_name).first():
        return record
    with suppress(WeatherFault):
        if record := weather_sync(now=now):
            return record
    raise NoWeather(account_get().last_error or None)


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


def weather_sync(*, now: datetime, force: bool = False) -> WeatherRecord | None:
    """Fetch and store the default city's weather; None if that is not due, or another process does it.

    With ``force`` it is fetched in any case.

    :raises WeatherFault: the provider gave no weather; the account's row says why.
    """
    account = account_get()
    if not force and not (account.is_due(now) and _sync_claim(account, now)):
        return None
    row = WeatherAccount.objects.filter(pk=account.pk)
    try:
        record = record_fetch(account.credentials, account.city_name, now=now)
    except WeatherFault as fault:
        row.update(last_attempt_at=now, last_error=fault.msg[:255])
        log.warning("weather sync failed", reason=fault.msg)
        raise
    row.update(last_attempt_at=now, **_success(account.city_name, now))
    log.info("weather synced", city=record.city, update_time=record.update_time)
    return record


def _sync_claim(account: WeatherAccount, now: datetime) -> bool:
    """Let this process alone sync; False if another one began to less than ``SYNC_PAUSE`` ago, in this slot.

    An attempt later than ``SYNC_PAUSE`` from now is one of a machine with a wrong clock, and does not count.
    """
    earliest = max(now - SYNC_PAUSE, slot_start(now))
    rows = WeatherAccount.objects.filter(pk=account.pk).exclude(last_attempt_at__range=(earliest, now + SYNC_PAUSE))
    # One statement asks and claims: of two processes at the same moment only one changes the row.
    return bool(rows.update(last_attempt_at=now))


def _success(city: str, now: datetime) -> dict[str, Any]:
    return {"last_success_at": now, "synced_city": city, "last_error": ""}


def account_get() -> WeatherAccount:
    """Return the only row, which is created at the first call."""
    return WeatherAccount.objects.get_or_create(pk=1)[0]


def account_change(*, credentials: Credentials, city: str = "", changed_by: str, now: datetime) -> None:
    """Change the account, and with ``city`` the default city, if the provider gives its weather.

    Credentials of the settings that are entered again stay the settings'; a secret in the row is sealed anew.

    :raises WeatherFault: it gave none; nothing was changed.
    """
    account = account_get()
    is_own, city = account.sealed_secret or credentials != account.credentials, city or account.city_name
    record_fetch(credentials, city, now=now)
    changes = _success(city, now)
    if city != account.city_name:
        changes["city"] = city
    if is_own:
        changes |= {"version": credentials.version, "appid": credentials.appid, "changed_at": now}
        changes["sealed_secret"] = seal(credentials.appsecret)
    rows = WeatherAccount.objects.filter(pk=account.pk)
    with audited(rows):
        rows.update(**changes)
    log.info("weather account changed", by=changed_by, credentials=bool(is_own))
