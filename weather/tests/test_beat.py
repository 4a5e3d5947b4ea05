"""The schedule of the sync, and a day of it with a worker that is away for some hours."""

from datetime import datetime, timedelta

import pytest

from config.celery import app
from core.times import SHANGHAI
from weather.services import weather_sync
from weather.tasks import sync

START = datetime(2026, 11, 24, 22, 30, 10, tzinfo=SHANGHAI)


def test_beat_starts_it_at_midnight_and_every_eight_hours_in_shanghai_and_looks_every_minute_for_a_missed_one():
    slots, made_up = (app.conf.beat_schedule[name]["schedule"] for name in ("weather-sync", "weather-sync-made-up"))

    assert str(app.conf.timezone) == "Asia/Shanghai"
    assert (slots.hour, slots.minute) == ({0, 8, 16}, {0})
    assert (len(made_up.hour), len(made_up.minute)) == (24, 60)


@pytest.mark.django_db
def test_a_day_syncs_three_times_and_a_missed_run_is_made_up(provider):
    minutes = [START + timedelta(minutes=n) for n in range(26 * 60)]
    away = (datetime(2026, 11, 25, 10, 30, tzinfo=SHANGHAI), datetime(2026, 11, 25, 17, 30, tzinfo=SHANGHAI))

    synced = [now for now in minutes if not away[0] < now < away[1] and weather_sync(now=now).record]

    assert [(m.day, m.hour, m.minute) for m in synced] == [
        (24, 22, 30), (25, 0, 0), (25, 8, 0), (25, 17, 30), (26, 0, 0),
    ]  # fmt: skip
    sync()  # the task itself may be started as often as anybody likes
    sync()
    assert len(provider.calls) == 6
