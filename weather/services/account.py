"""The account at the provider: read, tried out, changed."""

from datetime import datetime

import structlog

from weather.models import WeatherAccount
from weather.provider import Credentials, ask
from weather.services.records import record_store
from weather.vault import seal

log = structlog.get_logger("weather")


def account_get() -> WeatherAccount:
    return WeatherAccount.objects.get_or_create(pk=1)[0]


def account_try(*, credentials: Credentials, city: str, now: datetime) -> None:
    """Ask the provider with ``credentials``; what it answers for ``city`` is kept.

    :raises WeatherFault: it did not take them.
    """
    report = ask(credentials, city, now=now)
    if report.is_of(city):
        record_store(report=report, now=now)


def account_change(*, credentials: Credentials, changed_by: str, now: datetime) -> None:
    """Replace the account, once the provider has accepted the new one.

    :raises WeatherFault: it has not; the old account stays.
    """
    account = account_get()
    account_try(credentials=credentials, city=account.city_name, now=now)
    account_keep(credentials=credentials, changed_by=changed_by, now=now)


def account_keep(*, credentials: Credentials, changed_by: str, now: datetime) -> None:
    """Store an account that was tried out; a sync that failed with the old one runs again at once."""
    WeatherAccount.objects.filter(pk=account_get().pk).update(
        version=credentials.version,
        appid=credentials.appid,
        sealed_secret=seal(credentials.appsecret),
        changed_at=now,
        next_try_at=None,
    )
    log.info("weather account changed", by=changed_by, version=credentials.version)
