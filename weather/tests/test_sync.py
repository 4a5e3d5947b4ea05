"""Every 8 hours and at 00:00 Asia/Shanghai, made up when missed, never twice at once."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from config.celery import app
from core.times import SHANGHAI
from tests.kit import at_once
from tests.processes import until
from weather.models import WeatherAccount, WeatherRecord
from weather.services import account_get, weather_sync
from weather.tasks import sync
from weather.tests.provider import answer_of

pytestmark = pytest.mark.django_db


def at(hour, minute=0, day=24):
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


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
    assert bool(weather_sync(now=now).record) is is_due
    assert len(provider.calls) == 1 + is_due


def test_failures_are_retried_ever_more_slowly(provider):
    provider.says(b"", 500)
    now, waits = at(8), []

    for _ in range(10):
        assert weather_sync(now=now).reason == "天气服务暂时不可用,请稍后再试"
        next_try_at = account_get().next_try_at
        waits.append((next_try_at - now).total_seconds())
        assert weather_sync(now=next_try_at - timedelta(seconds=1)).reason == ""
        now = next_try_at

    assert waits == [15, 30, 60, 120, 240, 480, 960, 1800, 1800, 1800]
    assert account_get().failures == len(provider.calls) == 10 and not WeatherRecord.objects.exists()
    provider.behave = provider.honest
    assert weather_sync(now=now).record
    account = account_get()
    assert (account.failures, account.last_error, account.next_try_at) == (0, "", None)


def test_the_task_may_be_started_any_number_of_times(provider):
    for _ in range(3):
        sync()

    assert len(provider.calls) == 1


def test_midnight_does_not_wait_for_the_back_off(provider):
    weather_sync(now=at(16))
    WeatherAccount.objects.update(
        last_attempt_at=at(23, 50), failures=9, next_try_at=at(0, 20, day=25), last_success_at=at(8)
    )

    assert weather_sync(now=at(0, day=25)).record


def test_another_default_city_is_fetched_at_once(provider, settings):
    assert weather_sync(now=at(8)).record == WeatherRecord.objects.get(city="南京")
    assert account_get().last_success_at == at(8)
    settings.WEATHER_CITY = "无锡"

    assert weather_sync(now=at(8, 1)).record.city == "无锡"
    assert not weather_sync(now=at(8, 2)).record


def test_weather_of_another_city_counts_as_a_failure(provider):
    weather_sync(now=at(8))
    provider.says(answer_of("北京"))

    assert "北京" in weather_sync(now=at(16)).reason
    assert WeatherRecord.objects.get().city == "南京"


def test_a_claim_keeps_others_out_until_it_expires_also_a_forced_sync(provider):
    account_get()
    WeatherAccount.objects.update(claimed_until=at(8, 1), last_attempt_at=at(8))  # by one who died in the middle

    assert not weather_sync(now=at(8, 0) + timedelta(seconds=30)).record
    assert weather_sync(now=at(8), force=True).reason == "正在同步,请稍后再看"
    assert weather_sync(now=at(8, 1) + timedelta(seconds=1)).record
    assert weather_sync(now=at(8, 2), force=True).record  # at any time


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_claimed", [True, False], ids=["claimed", "twin"])
def test_workers_at_the_same_moment_sync_once(provider, monkeypatch, is_claimed):
    """Five look; the provider answers when each has asked it or given up."""
    now, results = timezone.now(), []
    if not is_claimed:
        monkeypatch.setattr(WeatherAccount, "is_claimed", lambda *_: False)

    def late(handler, query):
        assert until(lambda: len(results) + len(provider.calls) >= 5, 60)
        provider.honest(handler, query)

    provider.behave = late
    at_once([lambda: results.append(bool(weather_sync(now=now).record))] * 5)

    assert len(provider.calls) == (1 if is_claimed else 5)
    assert not is_claimed or sorted(results) == [False] * 4 + [True]
    assert WeatherRecord.objects.count() == WeatherAccount.objects.count() == 1  # without the claim too: one row
