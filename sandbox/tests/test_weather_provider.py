"""The weather stand-in, as the weather app asks it."""

from datetime import datetime, timedelta

import pytest
import time_machine

from core.times import SHANGHAI
from sandbox.weather.provider import city_named, report
from weather.gateway import ALARM_KEYS, AQI_KEYS, TEXT_NAMES

NOON = datetime(2025, 4, 18, 12, 45, tzinfo=SHANGHAI)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(client, keys):
    def call(**query):
        keys_sent = {"version": "v61", "appid": keys["WEATHER_APP_ID"], "appsecret": keys["WEATHER_APP_SECRET"]}
        return client.get("/sandbox/tianqi/api", keys_sent | {"city": "南京"} | query)

    return call


def test_answers_every_field_as_text(ask):
    with time_machine.travel(NOON, tick=False):
        answer = ask()

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {*TEXT_NAMES, "alarm", "aqi"}
    assert (set(body["aqi"]), set(body["alarm"])) == (set(AQI_KEYS), set(ALARM_KEYS))
    leaves = [*(body | {"aqi": "", "alarm": ""}).values(), *body["aqi"].values(), *body["alarm"].values()]
    assert all(isinstance(value, str) for value in leaves)
    assert (body["city"], body["cityEn"], body["cityid"]) == ("南京", "nanjing", "101190101")
    assert (body["date"], body["week"]) == ("2025-04-18", "星期五")


def test_is_of_the_day_before_until_new_figures_come():
    city = city_named("南京")

    assert report(city, NOON + timedelta(minutes=10)) == report(city, NOON) != report(city, NOON + timedelta(hours=1))
    midnight = report(city, datetime(2025, 4, 19, 0, 0, 30, tzinfo=SHANGHAI))
    assert (midnight["date"], midnight["update_time"][:2]) == ("2025-04-18", "23")


def test_air_is_called_good_up_to_fifty():
    days = [report(city_named("南京"), NOON + timedelta(days=number)) for number in range(20)]

    levels = {(int(day["air"]) <= 50, day["air_level"], day["aqi"]["air_level"]) for day in days}
    assert levels == {(True, "优", "优"), (False, "良", "良")}


def test_any_chinese_city_keeps_its_identity_and_the_rest_is_refused_with_errcode(ask):
    first, second = ask(city="腾冲").json(), ask(city="腾冲").json()
    assert first == second
    assert first["cityid"].startswith("1019")

    cities = ("Nanjing", "火星", "南京市", "京", "南京\x00", "南" * 13, "")
    wrong = [{"city": city} for city in cities] + [{"appid": "0"}, {"appsecret": "密码"}, {"version": "v9"}]
    for query in wrong:
        answer = ask(**query)
        assert (answer.status_code, set(answer.json())) == (200, {"errcode", "errmsg"})
        assert answer.json()["errcode"] == 100
