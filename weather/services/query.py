"""The queries of API clients: the newest stored weather of the default city, or the present weather of any city."""

import time
from datetime import datetime

from core.cache.ratelimit import hit
from weather.errors import NoWeather, ProviderGarbled, WeatherTooOften
from weather.gateway import TIMEOUT_S, provider_room, report_fetch
from weather.models import WeatherRecord
from weather.selectors import record_newest
from weather.services.account import account_get
from weather.services.records import record_store
from weather.services.sync import weather_sync

QUERY_WINDOW_S = 60
_LOOK_AGAIN_S = 0.2


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
    with provider_room():
        if hit(f"weather:{caller}", limit=1, window_s=QUERY_WINDOW_S):
            raise WeatherTooOften
        report = report_fetch(account_get().credentials, city, now=now)
    if not report.is_of(city):
        raise ProviderGarbled(f"天气服务返回了其他城市({report.city})的天气")
    return record_store(report=report, now=now)
