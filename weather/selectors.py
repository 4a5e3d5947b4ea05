"""Queries on stored weather that stay fast with a million records."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from core.times import SHANGHAI
from weather.models import WeatherAccount, WeatherRecord

# Find the day of a row by its number. weather_tally holds the number of records of each day; triggers (migration 0001)
# keep it exact. `newer` counts the records of later days. Without it, count(*) and a large OFFSET read every record.
_DAY_OF_ROW = """
WITH days AS (
    SELECT day, sum(n) OVER (ORDER BY day DESC) - n AS newer FROM weather_tally WHERE n > 0
)
SELECT (SELECT coalesce(sum(n), 0) FROM weather_tally), found.day, found.newer
FROM (SELECT 1) AS one
LEFT JOIN (SELECT day, newer FROM days WHERE newer <= %s ORDER BY newer DESC LIMIT 1) AS found ON true
"""
NEWEST_FIRST = ("-observed_at", "-pk")

# All cities, in order. DISTINCT would read every record; this jumps from city to city with one index lookup each.
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
    """Return the newest record of ``city``, None if there is none."""
    return WeatherRecord.objects.filter(city=city).order_by(*NEWEST_FIRST).first()


@dataclass(frozen=True)
class HistoryPage:
    """Records of one page, newest first, and the number of all records."""

    records: list[WeatherRecord]
    total: int


def history_page(rows: slice, city: str = "") -> HistoryPage:
    """Return the records at positions ``rows`` (newest first) of all cities, or of ``city`` only."""
    if city:
        records = WeatherRecord.objects.filter(city=city).order_by(*NEWEST_FIRST)
        return HistoryPage(list(records[rows]), records.count())
    total, day, skipped = _day_of_row(rows.start)
    if day is None:
        return HistoryPage([], total)
    # Begin at the day of the first row: the records of all later days need not be read to be skipped.
    ends_at = datetime.combine(day + timedelta(days=1), time(), SHANGHAI)
    records = WeatherRecord.objects.filter(observed_at__lt=ends_at).order_by(*NEWEST_FIRST)
    return HistoryPage(list(records[rows.start - skipped : rows.stop - skipped]), total)


def _day_of_row(row: int) -> tuple[int, date | None, int]:
    """Return (number of all records, day of the record at position ``row``, number of records of later days).

    Positions begin with 0 and the newest record. The day is None if there is no such record.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DAY_OF_ROW, [row])
        total, day, skipped = cursor.fetchone()
    return int(total), day if row < total else None, int(skipped or 0)


def cities(limit: int = 200) -> list[str]:
    """Return the cities that have records, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_CITIES, [limit])
        return [city for (city,) in cursor.fetchall()]


def temperatures(city: str, *, since: datetime, limit: int = 500) -> list[dict[str, Any]]:
    """Return time (``observed_at``) and texts (``tem``, ``tem1``, ``tem2``) of the newest records, oldest first."""
    records = WeatherRecord.objects.filter(city=city, observed_at__gte=since).order_by(*NEWEST_FIRST)
    newest = records.values("observed_at", "tem", "tem1", "tem2")[:limit]
    return [dict(row) for row in newest][::-1]


def last_success_at() -> datetime | None:
    """Return when weather was last fetched; None if never."""
    return WeatherAccount.objects.values_list("last_success_at", flat=True).first()
