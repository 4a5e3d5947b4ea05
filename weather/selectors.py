"""Queries on stored weather: three records a day, and some for each city that callers ask for."""

from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from weather.models import WeatherAccount, WeatherRecord


def history(city: str = "") -> QuerySet[WeatherRecord]:
    """Return the records of all cities or of ``city`` only, newest first."""
    return WeatherRecord.objects.filter(city=city) if city else WeatherRecord.objects.all()


def account_exists() -> bool:
    """Tell whether weather is fetched at all: settings or the back office name an account."""
    return bool(settings.WEATHER_APP_ID) or WeatherAccount.objects.exclude(appid="").exists()


def last_success_at() -> datetime | None:
    """Return when weather was last fetched; None if never."""
    return WeatherAccount.objects.values_list("last_success_at", flat=True).first()
