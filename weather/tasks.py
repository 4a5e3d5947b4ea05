"""What happens to the weather without a request. ``config/schedule.py`` says when."""

from core import times
from core.queues import queued_task
from weather.services import weather_sync


@queued_task("weather.sync", queue="bulk")
def sync() -> None:
    """Sync if one is due. Beat starts it every minute; it may be started any number of times, also at once."""
    weather_sync(now=times.now())
