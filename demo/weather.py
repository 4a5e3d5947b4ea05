"""A few reports of the weather in the default city, as the sandbox's provider writes them."""

from datetime import datetime, timedelta

from sandbox.weather.provider import city_named, report
from weather.gateway import report_read
from weather.models import SLOT_HOURS, slot_start
from weather.services import account_get, record_store

REPORTS = 6


def weather_reset(*, now: datetime) -> str:
    """Store the reports again, over those of the same hours."""
    city = city_named(account_get().city_name)
    if city is None:
        return f"没有写入天气：沙箱不认识 {account_get().city_name}"
    # The newest is of yesterday, so that the first page still asks the provider for today's weather.
    last = slot_start(now) - timedelta(days=1)
    for ago in reversed(range(REPORTS)):
        seen_at = last - timedelta(hours=SLOT_HOURS * ago) + timedelta(minutes=30)
        record_store(report_read(report(city, seen_at), seen_at), now=seen_at)
    return f"写入天气记录 {REPORTS} 条"
