"""Celery beat, as it is configured, on a clock that the test turns."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery.beat import Scheduler

from config.celery import app
from core.times import SHANGHAI, local
from weather.services import weather_sync
from weather.tasks import sync

START = datetime(2026, 11, 24, 22, 30, 10, tzinfo=SHANGHAI)


class Recorder(Scheduler):
    """Beat's own scheduler; what it would send is written down with the time by the turned clock."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[tuple[str, datetime]] = []
        super().__init__(*args, **kwargs)

    def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> None:
        self.reserve(entry)
        self.sent.append((entry.name, datetime.now(SHANGHAI)))

    def setup_schedule(self) -> None:
        wanted = {name: e for name, e in self.app.conf.beat_schedule.items() if e["task"] == "weather.sync"}
        self.merge_inplace(wanted)


@pytest.fixture
def beat():
    with time_machine.travel(START, tick=False) as clock:
        yield Recorder(app), clock


def run(recorder: Recorder, clock: Any, duration: timedelta) -> list[tuple[str, datetime]]:
    """Let beat tick as its service does: sleep as long as it says, then tick again."""
    ends_at = datetime.now(SHANGHAI) + duration
    while datetime.now(SHANGHAI) < ends_at:
        wait_s = recorder.tick()
        clock.shift(timedelta(seconds=min(max(wait_s, 0.01), 30)))
    return recorder.sent


def test_beat_fires_at_midnight_and_every_eight_hours(beat):
    sent = run(*beat, timedelta(hours=26))

    fired = [moment for name, moment in sent if name == "weather-sync"]
    assert [(m.day, m.hour, m.minute) for m in fired] == [(25, 0, 0), (25, 8, 0), (25, 16, 0), (26, 0, 0)]
    assert all(moment.second <= 30 for moment in fired)


@pytest.mark.django_db
def test_a_day_of_beat_syncs_three_times_and_a_missed_run_is_made_up(beat, provider):
    recorder, clock = beat
    worker_is_up = True

    def deliver(entry: Any, *args: Any, **kwargs: Any) -> None:
        recorder.reserve(entry)
        if worker_is_up:
            before = len(provider.calls)
            weather_sync(now=datetime.now(SHANGHAI))
            if len(provider.calls) > before:
                synced.append(local(datetime.now(SHANGHAI)))

    synced: list[datetime] = []
    recorder.apply_async = deliver

    run(recorder, clock, timedelta(hours=12))  # to 10:30
    worker_is_up = False
    run(recorder, clock, timedelta(hours=7))  # the 16:00 run is lost; 17:30
    worker_is_up = True
    run(recorder, clock, timedelta(hours=7))  # to 00:30

    assert [(m.day, m.hour) for m in synced] == [(24, 22), (25, 0), (25, 8), (25, 17), (26, 0)]


@pytest.mark.django_db
def test_the_task_may_be_started_by_anybody_as_often_as_they_like(provider):
    for _ in range(3):
        sync()

    assert len(provider.calls) == 1
