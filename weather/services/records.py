"""Keeping what the provider said."""

from datetime import datetime

from weather.models import WeatherRecord
from weather.provider import Report

_KEY = ["city", "date", "clock"]
_KEPT = {"id", "created_at", *_KEY}


def record_store(*, report: Report, now: datetime) -> WeatherRecord:
    """Store ``report``, one row per city, date and update time; what is known already is brought up to date."""
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
    changing = [field.name for field in WeatherRecord._meta.concrete_fields if field.name not in _KEPT]
    # One statement: two workers with the same report make one row.
    WeatherRecord.objects.bulk_create([fresh], update_conflicts=True, unique_fields=_KEY, update_fields=changing)
    return WeatherRecord.objects.get(city=report.city, date=report.date, clock=report.clock)
