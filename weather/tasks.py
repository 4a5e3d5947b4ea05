"""What happens to the weather without a request. ``config/schedule.py`` says when."""

from contextlib import suppress

from core import times
from core.queues import queued_task
from weather.errors import WeatherFault
from weather.services import weather_sync


@queued_task("weather.sync", queue="bulk")
def sync() -> None:
    """Sync if one is due. Beat starts it every minute; it may be started any number of times, also at once."""
    with suppress(WeatherFault):  # logged, and in the account's row
        weather_sync(now=times.now())
