"""A few reports of the weather in the default city, as the sandbox's provider writes them."""

from datetime import datetime, timedelta

from sandbox.weather.provider import UnknownCity, city_named, report
from weather.gateway import report_read
from weather.models import SLOT_HOURS, WeatherRecord, slot_start
from weather.services import account_get, record_store

REPORTS = 6


def weather_seed(*, now: datetime) -> str:
    """Store the reports, unless there is any."""
    return "已有天气记录，保持不变" if WeatherRecord.objects.exists() else weather_reset(now=now)


def weather_reset(*, now: datetime) -> str:
    """Store the reports again, over those of the same hours."""
    try:
        city = city_named(account_get().city_name)
    except UnknownCity as error:
        return str(error)
    # The newest is of yesterday, so that the first page still asks the provider for today's weather.
    last = slot_start(now) - timedelta(days=1)
    for ago in reversed(range(REPORTS)):
        seen_at = last - timedelta(hours=SLOT_HOURS * ago) + timedelta(minutes=30)
        record_store(report_read(report(city, seen_at), seen_at), now=seen_at)
    return f"写入天气记录 {REPORTS} 条"
