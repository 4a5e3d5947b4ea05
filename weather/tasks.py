from celery import shared_task
from django.utils import timezone

from weather.services.sync import weather_sync


@shared_task(name="weather.sync", ignore_result=True)
def sync() -> None:
    """Sync if one is due: may be started by anybody, as often as they like."""
    weather_sync(now=timezone.now())
