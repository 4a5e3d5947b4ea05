"""What visitors ask for: the default city's newest weather, or a city's weather now."""

import time
from datetime import datetime

from core.cache.ratelimit import hit
from weather.errors import NoWeather, ProviderGarbled, WeatherTooOften
from weather.models import WeatherRecord
from weather.provider import TIMEOUT_S, ask, room
from weather.selectors import record_newest
from weather.services.account import account_get
from weather.services.records import record_store
from weather.services.sync import weather_sync

QUERY_WINDOW_S = 60
_LOOK_AGAIN_S = 0.2


def weather_newest(*, now: datetime) -> WeatherRecord:
    """Answer the newest stored record of the default city; a fresh install asks the provider first.

    :raises NoWeather: nothing is stored, and the provider gave nothing within five seconds; ``msg`` says why.
    """
    city = account_get().city_name
    if record := record_newest(city):
        return record
    result = weather_sync(now=now)
    if record := result.record or _awaited(city, now):
        return record
    raise NoWeather(result.reason or account_get().last_error or None)


def _awaited(city: str, now: datetime) -> WeatherRecord | None:
    """Wait for whoever is asking the provider right now, be it the worker or another visitor."""
    gives_up_at = time.monotonic() + TIMEOUT_S
    while account_get().is_claimed(now) and time.monotonic() < gives_up_at:
        time.sleep(_LOOK_AGAIN_S)
    return record_newest(city)


def weather_query(*, city: str, caller: str, now: datetime) -> WeatherRecord:
    """Ask the provider for ``city``, once a minute per ``caller`` (a key that names him), within five seconds.

    :raises WeatherTooOften: the caller asked less than a minute ago.
    :raises WeatherFault: the provider gave no weather of this city.
    """
    with room():
        if hit(f"weather:{caller}", limit=1, window_s=QUERY_WINDOW_S):
            raise WeatherTooOften
        report = ask(account_get().credentials, city, now=now)
    if not report.is_of(city):
        raise ProviderGarbled(f"天气服务返回了其他城市({report.city})的天气")
    return record_store(report=report, now=now)
