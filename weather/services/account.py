"""The account at the provider: read, tried out, changed."""

from datetime import datetime
from typing import Any

import structlog

from core.admin.audit import audited
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


def account_keep(
    *, credentials: Credentials | None = None, city: str | None = None, changed_by: str, now: datetime
) -> None:
    """Store what was tried out; None leaves a part as it is. A sync that failed runs again at once."""
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
