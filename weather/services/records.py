"""Store the provider's reports."""

from datetime import datetime

from weather.gateway import Report
from weather.models import WeatherRecord

_KEY = ["city", "date", "clock"]
_UNCHANGED = {"id", "created_at", *_KEY}


def record_store(*, report: Report, now: datetime) -> WeatherRecord:
    """Store ``report`` and return its record. A record of the same city, date and update time is overwritten."""
    fresh = WeatherRecord(
        **report.texts,
        date=report.date,
        clock=report.clock,
        observed_at=report.observed_at,
        alarm=report.alarm,
        aqi=report.aqi,
        created_at=now,
        seen_at=now,
    )
    changing = [field.name for field in WeatherRecord._meta.concrete_fields if field.name not in _UNCHANGED]
    # Two workers may store the same report at once: one statement inserts or updates, so there is one row.
    WeatherRecord.objects.bulk_create([fresh], update_conflicts=True, unique_fields=_KEY, update_fields=changing)
    return WeatherRecord.objects.get(city=report.city, date=report.date, clock=report.clock)
