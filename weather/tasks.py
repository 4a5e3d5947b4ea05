"""What happens to the weather without a request. ``config/settings/base.py`` says when."""

from celery import shared_task

from core import times
from weather.services.sync import weather_sync


@shared_task(name="weather.sync", ignore_result=True)
def sync() -> None:
    """Sync if one is due. Beat starts it every minute; it may be started any number of times, also at once."""
    weather_sync(now=times.now())
