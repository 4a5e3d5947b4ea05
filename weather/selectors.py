"""Questions about stored weather that stay fast over a million records."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from core.times import SHANGHAI
from weather.models import WeatherRecord

# Kept by triggers (migration 0001): exact at every moment, a row a day.
_DAY_OF_ROW = """
WITH days AS (
    SELECT day, sum(n) OVER (ORDER BY day DESC) - n AS newer FROM weather_tally WHERE n > 0
)
SELECT (SELECT coalesce(sum(n), 0) FROM weather_tally), found.day, found.newer
FROM (SELECT 1) AS one
LEFT JOIN (SELECT day, newer FROM days WHERE newer <= %s ORDER BY newer DESC LIMIT 1) AS found ON true
"""
NEWEST_FIRST = ("-observed_at", "-pk")

# One index probe a city; DISTINCT would read every record.
_CITIES = """
WITH RECURSIVE found AS (
    (SELECT city FROM weather_weatherrecord ORDER BY city LIMIT 1)
    UNION ALL
    SELECT (SELECT r.city FROM weather_weatherrecord r WHERE r.city > found.city ORDER BY r.city LIMIT 1)
    FROM found WHERE found.city IS NOT NULL
)
SELECT city FROM found WHERE city IS NOT NULL LIMIT %s
"""


def record_newest(city: str) -> WeatherRecord | None:
    return WeatherRecord.objects.filter(city=city).order_by(*NEWEST_FIRST).first()


@dataclass(frozen=True)
class Page:
    """Some records, newest first, and how many there are in all."""

    records: list[WeatherRecord]
    total: int


def history_page(wanted: slice, city: str = "") -> Page:
    """The records ``wanted`` of all, or of those of ``city``."""
    if city:
        records = WeatherRecord.objects.filter(city=city).order_by(*NEWEST_FIRST)
        return Page(list(records[wanted]), records.count())
    total, day, skipped = _day_of_row(wanted.start)
    if day is None:
        return Page([], total)
    # Whole days before the page are left out by their number, not read.
    ends_at = datetime.combine(day + timedelta(days=1), time(), SHANGHAI)
    records = WeatherRecord.objects.filter(observed_at__lt=ends_at).order_by(*NEWEST_FIRST)
    return Page(list(records[wanted.start - skipped : wanted.stop - skipped]), total)


def _day_of_row(row: int) -> tuple[int, date | None, int]:
    """The number of records; the day on which the record ``row`` (from 0, newest first) lies; those after it."""
    with connection.cursor() as cursor:
        cursor.execute(_DAY_OF_ROW, [row])
        total, day, skipped = cursor.fetchone()
    return int(total), day if row < total else None, int(skipped or 0)


def cities(limit: int = 200) -> list[str]:
    """Cities with records, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_CITIES, [limit])
        return [city for (city,) in cursor.fetchall()]


def temperatures(city: str, *, since: datetime, limit: int = 500) -> list[dict[str, Any]]:
    """``observed_at``, ``tem``, ``tem1``, ``tem2`` (texts) of the newest ``limit`` records, oldest first."""
    records = WeatherRecord.objects.filter(city=city, observed_at__gte=since).order_by(*NEWEST_FIRST)
    newest = records.values("observed_at", "tem", "tem1", "tem2")[:limit]
    return [dict(row) for row in newest][::-1]
