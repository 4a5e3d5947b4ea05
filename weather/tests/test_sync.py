"""Every 8 hours and at 00:00 Asia/Shanghai, made up when missed, never twice at once."""

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from config.celery import app
from core.times import SHANGHAI
from tests.kit import at_once
from tests.processes import until
from weather.errors import ProviderSilent
from weather.models import WeatherAccount, WeatherRecord
from weather.services import account_get, weather_sync
from weather.tasks import sync

pytestmark = pytest.mark.django_db


def at(hour, minute=0, day=24, second=0):
    return datetime(2026, 11, day, hour, minute, second, tzinfo=SHANGHAI)


def test_beat_starts_it_at_midnight_and_every_eight_hours_in_shanghai_and_looks_every_minute_for_a_missed_one():
    slots, made_up = (app.conf.beat_schedule[name]["schedule"] for name in ("weather-sync", "weather-sync-made-up"))

    assert str(app.conf.timezone) == "Asia/Shanghai"
    assert (slots.hour, slots.minute) == ({0, 8, 16}, {0})
    assert (len(made_up.hour), len(made_up.minute)) == (24, 60)


@pytest.mark.parametrize(
    ("last", "now", "is_due"),
    [
        (at(0), at(0, 1), False),
        (at(0), at(7, 59), False),
        (at(0), at(8), True),
        (at(8), at(15, 59), False),
        (at(8, 30), at(16), True),
        (at(16), at(23, 59), False),
        (at(23, 59), at(0, day=25), True),  # one minute ago, and still: at 00:00 whatever happened
        (at(0, day=1), at(9), True),  # everything was off for weeks
        (at(9), at(8, day=20), True),  # the clock was set back
    ],
)
def test_a_sync_is_due_every_eight_hours_from_midnight(provider, last, now, is_due):
    weather_sync(now=last)

    assert account_get().is_due(now) is is_due
    assert bool(weather_sync(now=now)) is is_due
    assert len(provider.calls) == 1 + is_due


def test_a_failure_is_repeated_after_five_minutes_and_in_a_new_slot_at_once(provider):
    provider.says(b"", 500)
    for now, calls in ((at(15, 54), 1), (at(15, 58), 1), (at(15, 59, second=1), 2), (at(16), 3)):
        with suppress(ProviderSilent):
            assert weather_sync(now=now) is None
        assert len(provider.calls) == calls
    assert account_get().last_error == "天气服务暂时不可用,请稍后再试" and not WeatherRecord.objects.exists()
    provider.behave = provider.honest

    assert weather_sync(now=at(16, 5, second=1)) == WeatherRecord.objects.get()
    assert account_get().last_error == ""


def test_the_task_may_be_started_any_number_of_times(provider):
    for _ in range(3):
        sync()

    assert len(provider.calls) == 1


def test_another_default_city_is_fetched_soon(provider, settings):
    assert weather_sync(now=at(8)) == WeatherRecord.objects.get(city="南京")
    assert account_get().last_success_at == at(8)
    settings.WEATHER_CITY = "无锡"

    assert weather_sync(now=at(8, 6)).city == "无锡"
    assert not weather_sync(now=at(8, 12))


def test_an_attempt_keeps_others_out_for_a_while_but_not_a_forced_sync(provider):
    account_get()
    WeatherAccount.objects.update(last_attempt_at=at(8))  # by one who died in the middle

    assert not weather_sync(now=at(8, 4))
    assert not weather_sync(now=at(8, 4) - timedelta(minutes=5))  # by a slow clock it is yet to come
    assert weather_sync(now=at(8, 4), force=True)
    WeatherAccount.objects.update(last_success_at=None)
    assert not weather_sync(now=at(8, 8))
    assert weather_sync(now=at(8, 10))
    WeatherAccount.objects.update(last_success_at=None, last_attempt_at=at(8) + timedelta(days=1))  # by a wrong clock
    assert weather_sync(now=at(8, 11))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_claimed", [True, False], ids=["claimed", "twin"])
def test_workers_at_the_same_moment_sync_once(provider, monkeypatch, is_claimed):
    """Five look; the provider answers when each has asked it or given up."""
    now, results = timezone.now(), []
    if not is_claimed:
        monkeypatch.setattr("weather.services.SYNC_PAUSE", timedelta(days=-1))

    def late(handler, query):
        assert until(lambda: len(results) + len(provider.calls) >= 5, 60)
        provider.honest(handler, query)

    provider.behave = late
    at_once([lambda: results.append(bool(weather_sync(now=now)))] * 5)

    assert len(provider.calls) == (1 if is_claimed else 5)
    assert not is_claimed or sorted(results) == [False] * 4 + [True]
    assert WeatherRecord.objects.count() == WeatherAccount.objects.count() == 1  # without the claim too: one row
