"""Questions about stored weather that stay fast over a million records."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from weather.models import WeatherRecord

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


def history(city: str | None = None) -> QuerySet[WeatherRecord]:
    """All records, or those of ``city``, newest first."""
    records = WeatherRecord.objects.order_by(*NEWEST_FIRST)
    return records.filter(city=city) if city else records


def history_page(records: QuerySet[WeatherRecord], page: slice) -> list[WeatherRecord]:
    # The index alone finds the page's keys; a plain OFFSET would fetch every skipped row as well.
    return list(
        records.model.objects.filter(pk__in=list(records.values_list("pk", flat=True)[page])).order_by(*NEWEST_FIRST)
    )


def cities(limit: int = 200) -> list[str]:
    """Cities with records, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_CITIES, [limit])
        return [city for (city,) in cursor.fetchall()]


def temperatures(city: str, *, since: datetime, limit: int = 500) -> list[dict[str, Any]]:
    """``observed_at``, ``tem``, ``tem1``, ``tem2`` (texts) of the newest ``limit`` records, oldest first."""
    newest = history(city).filter(observed_at__gte=since).values("observed_at", "tem", "tem1", "tem2")[:limit]
    return list(newest)[::-1]
