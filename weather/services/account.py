"""The account at the weather provider: read it, try new credentials, change it."""

from datetime import datetime
from typing import Any

import structlog

from core.audit import audited
from weather.gateway import Credentials, report_fetch
from weather.models import WeatherAccount
from weather.services.records import record_store
from weather.vault import seal

log = structlog.get_logger("weather")


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
