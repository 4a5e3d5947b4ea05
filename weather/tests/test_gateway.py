"""What the gateway makes of an answer, whatever is in it."""

from contextlib import nullcontext
from datetime import datetime
from unittest.mock import patch

import orjson
import pytest

from core.times import SHANGHAI
from weather.errors import ProviderGarbled
from weather.gateway import Credentials, report_fetch, report_read
from weather.tests.provider import answer_of

NOW = datetime(2026, 11, 24, 0, 5, tzinfo=SHANGHAI)


def fetched(body, city="南京"):
    """Return what becomes of an answer that consists of ``body``."""
    with patch("core.http.get", return_value=body):
        return report_fetch(Credentials("v61", "id", "s3cret"), city, now=NOW)


@pytest.mark.parametrize(
    ("day", "update_time", "observed_at"),
    [
        ("2025-04-18", "14:35", datetime(2025, 4, 18, 14, 35, tzinfo=SHANGHAI)),
        ("2025-04-18", "2025-04-17 23:55", datetime(2025, 4, 17, 23, 55, tzinfo=SHANGHAI)),
        ("2025-04-18", "2025-04-17T23:55:30", datetime(2025, 4, 17, 23, 55, tzinfo=SHANGHAI)),
        ("2025-04-18", "8:05", datetime(2025, 4, 18, 8, 5, tzinfo=SHANGHAI)),
        ("2026-11-24", "23:55", NOW),  # last night's clock under today's date
        ("2026-11-25", "00:01", NOW),
        ("2025-04-18", "2099-01-01 00:00", NOW),
    ],
)
def test_the_time_of_observation_is_never_in_the_future(day, update_time, observed_at):
    assert report_read(answer_of("南京", date=day, update_time=update_time), NOW)["observed_at"] == observed_at


@pytest.mark.parametrize(
    ("wish", "city", "english", "is_same"),
    [
        ("南京", "南京", "nanjing", True),
        ("浦东新区", "浦东", "pudong", True),
        ("浦东", "浦东新区", "pudong", True),
        ("NanJing", "南京", "nanjing", True),
        ("南京", "北京", "beijing", False),
        ("x", "南京", "", False),
    ],
)
def test_weather_of_another_city_is_refused(wish, city, english, is_same):
    with nullcontext() if is_same else pytest.raises(ProviderGarbled, match=city):
        assert fetched(orjson.dumps(answer_of(city, cityEn=english)), wish)["city"] == city


GARBAGE = [
    *([answer_of("苏州")], None, {}, {"errcode": 1, "errmsg": {"a": 1}}, answer_of("")),
    *(answer_of("苏州", date=day) for day in (None, 20250418, "20250418", "2025-02-30", "0001-01-01", "2026-11-26")),
    *(answer_of("苏州", update_time=clock) for clock in ("soon", "29:77", ["14:35"])),
]
RAW = [b'{"cityid":"1","city":"\\ud800"}', b'{"cityid":' + b"[" * 5000 + b"]" * 5000 + b"}"]


@pytest.mark.parametrize("body", [*map(orjson.dumps, GARBAGE), *RAW], ids=lambda body: repr(body[-30:]))
def test_garbage_is_no_weather(body):
    with pytest.raises(ProviderGarbled):
        fetched(body)
