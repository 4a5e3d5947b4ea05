"""Contract 3 "Weather", GET /weather/getWeather."""

from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from core.cache import valkey
from core.times import SHANGHAI
from core.upstreams import BUSY_S
from tests.kit import at_once
from weather import gateway
from weather.gateway import report_read
from weather.models import WeatherRecord
from weather.services import record_store
from weather.tests import provider as providers
from weather.tests.provider import SAMPLE, answer_of

pytestmark = pytest.mark.django_db

PATH = "/weather/getWeather"
TOO_OFTEN = {"state": False, "status": 100, "msg": "您查询的次数太频繁,一分钟查询一次"}


def stored(city="南京", **changes):
    """Have a record in the database as if it had been fetched earlier."""
    now = timezone.now()
    return record_store(report_read(answer_of(city, **changes), now), now=now)


def from_address(number):
    return {"REMOTE_ADDR": f"10.0.0.{number}"}


FOUND = {"state": True, "status": 200, "message": "获取成功", "msg": "获取成功"}


def test_no_city_is_the_newest_record_of_the_default_city(api, provider):
    stored(update_time="09:00", tem="11")
    stored(update_time="15:00", tem="21")
    stored("北京", update_time="18:00")

    body = api.get(PATH).json()

    [row] = body["data"]
    assert body == FOUND | {"data": [row]} and (len(row["_id"]), row["__v"]) == (24, 0)
    expected = SAMPLE | {"city": "南京", "cityEn": "", "tem": "21", "update_time": "15:00"}
    assert {name: row[name] for name in SAMPLE} == expected
    assert api.get(PATH, city=" ", key="one", page="").json() == body  # blank and unknown values count as left out
    assert provider.calls == []


def test_a_fresh_install_without_a_provider_says_why_and_does_not_insist(api, provider):
    provider.says(b"", 503)

    first, second = api.get(PATH), api.get(PATH)

    assert (first.status_code, first.json()["state"]) == (200, False) and first.json() == second.json()
    assert first.json()["msg"] == "天气服务暂时不可用,请稍后再试" and len(provider.calls) == 1


def test_all_is_the_whole_history_newest_first_in_pages_with_a_true_total(api, provider, settings):
    assert api.get(PATH, key="all").json() == FOUND | {"data": [], "total": 0}
    for minute in range(7):
        for city in ("南京", "北京"):
            stored(city, update_time=f"09:{minute:02}")

    pages = [api.get(PATH, key="all", page=page, count=3).json() for page in range(1, 7)]
    rows = [row for page in pages for row in page["data"]]
    assert len({row["_id"] for row in rows}) == len(rows) == 14
    assert [row["update_time"] for row in rows] == sorted((row["update_time"] for row in rows), reverse=True)
    body = api.get(PATH, key="all", city="南京市", page=2, count=3).json()
    assert ([row["update_time"] for row in body["data"]], body["total"]) == (["09:03", "09:02", "09:01"], 7)

    assert "page" in api.get(PATH, key="all", page="abc").json()["msg"]
    settings.API_MAX_ROWS = 2
    for params in ({}, {"count": 10**12}):
        body = api.get(PATH, key="all", **params).json()
        assert (len(body["data"]), body["total"]) == (2, 14)
    assert provider.calls == []


def test_a_city_is_asked_for_without_shi_at_the_end_and_kept(api, provider):
    [row] = api.get(PATH, city="苏州市").json()["data"]

    assert row["city"] == WeatherRecord.objects.get().city == "苏州"
    api.http.get(PATH, {"city": " 沙市 "}, **from_address(1))
    account = {"path": "/api", "version": "v61", "appid": "app-1", "appsecret": providers.GOOD_SECRET}
    assert provider.calls == [account | {"city": "苏州"}, account | {"city": "沙市"}]
    unknown = api.http.get(PATH, {"city": "火星"}, **from_address(2)).json()
    assert unknown == {"status": 400, "state": False, "msg": "天气查询失败:城市不存在"}
    assert WeatherRecord.objects.count() == 2


def test_the_same_report_twice_is_one_row_with_one_id(api, provider):
    rows = []
    for number, changes in enumerate([{}, {"tem": "30"}, {"update_time": "2025-04-18 14:35"}]):
        provider.changes = changes
        rows += api.http.get(PATH, {"city": "苏州"}, **from_address(number)).json()["data"]

    assert len({row["_id"] for row in rows}) == WeatherRecord.objects.count() == 1
    assert (rows[1]["tem"], rows[2]["update_time"]) == ("30", "2025-04-18 14:35")
    assert WeatherRecord.objects.get().observed_at == datetime(2025, 4, 18, 14, 35, tzinfo=SHANGHAI)


def test_a_second_question_within_a_minute_is_refused_and_stored_weather_is_not(api, provider):
    assert api.get(PATH, city="南京").json()["state"] is True

    for _ in range(2):
        answer = api.get(PATH, city="无锡")
        assert (answer.status_code, answer.json()) == (200, TOO_OFTEN)
    assert api.get(PATH).json()["state"] is api.get(PATH, key="all").json()["state"] is True
    assert len(provider.calls) == 1

    [limit] = valkey.client().keys("spms:rate:weather:*")
    assert 0 < valkey.client().ttl(limit) <= 60
    valkey.client().pexpire(limit, 0)
    assert api.get(PATH, city="苏州").json()["state"] is True


def test_users_count_by_themselves_and_strangers_by_address(api, provider, yuangong, zhuguan):
    for caller in (api, yuangong, zhuguan):
        assert caller.get(PATH, city="苏州").json()["state"] is True
    assert yuangong.get(PATH, city="苏州").json() == TOO_OFTEN
    assert api.http.get(PATH, {"city": "苏州"}, **from_address(9)).json()["state"] is True
    assert api.http.get(PATH, {"city": "苏州", "token": "forged"}).json() == TOO_OFTEN


@pytest.mark.parametrize("answer", [(b"down", 500), (b"<html>", 200), (answer_of("北京"), 200)])
def test_without_weather_of_the_city_what_is_stored_comes_along(api, provider, answer):
    stored("苏州", tem="19")
    provider.says(*answer)

    body = api.get(PATH, city="苏州").json()

    assert (body["state"], body["status"], body["data"][0]["tem"]) == (False, 502, "19")
    assert WeatherRecord.objects.count() == 1


@pytest.mark.parametrize("behaviour", [providers.hang, providers.flood, providers.redirect])
def test_no_answer_in_time_nor_within_the_limit_is_a_dead_provider(api, provider, monkeypatch, behaviour):
    assert gateway.TIMEOUT_S < 5  # the API promises its callers an answer within 5 s
    monkeypatch.setattr(gateway, "TIMEOUT_S", 0.6)
    provider.behave = behaviour

    assert api.get(PATH, city="苏州").json() == {"status": 502, "state": False, "msg": "天气服务暂时不可用,请稍后再试"}
    assert len(provider.calls) == 1 and not WeatherRecord.objects.exists()


def test_odd_types_become_texts(api, provider):
    provider.changes = {
        "tem": None, "tem1": 31.5, "tem2": 7, "humidity": {"value": 58}, "aqi": "优", "week": ["星期五"],
        "win": True, "wea": "晴\0", "air_tips": "长" * 9999, "alarm": 5, "hours": [{"x": 1}], "pressure": 2**64,
        "cityid": [[]], "visibility": {}, "country": -1.5e300,
    }  # fmt: skip

    [row] = api.get(PATH, city="苏州").json()["data"]

    expected = {"tem": "", "tem1": "31.5", "tem2": "7", "humidity": "", "week": "", "win": "", "wea": "晴"}
    expected |= {"alarm": {"alarm_type": "", "alarm_level": "", "alarm_content": ""}, "air_tips": "长" * 255}
    assert {name: row[name] for name in expected} == expected
    assert row["aqi"] == dict.fromkeys(SAMPLE["aqi"], "")
    alarm = [{"alarm_type": "大风", "alarm_level": "蓝色", "alarm_content": "注意"}]
    provider.says(answer_of("苏州", cityEn="suzhou", alarm=alarm))
    [row] = api.http.get(PATH, {"city": "SuZhou"}, **from_address(1)).json()["data"]
    assert (row["city"], row["alarm"]) == ("苏州", alarm)  # asked for in pinyin; an alarm may be a list


def test_a_city_cannot_change_the_question(api, provider):
    for city in ("a\0b", "x" * 33, "\u202e南京", "💥" * 40):
        assert api.get(PATH, city=city).json()["state"] is False
    assert provider.calls == []

    odd = ["';DROP TABLE x;--", "a&appsecret=b", "南京#", "../../api", "%00"]
    for number, city in enumerate(odd):
        api.http.get(PATH, {"city": city}, **from_address(number))

    questions = [(call["city"], call["appsecret"]) for call in provider.calls]
    assert questions == [(city, providers.GOOD_SECRET) for city in odd]


@pytest.mark.django_db(transaction=True)
def test_of_many_questions_of_one_caller_at_once_one_is_asked(provider):
    answers = at_once([lambda: Client().get(PATH, {"city": "苏州"}).json()["status"]] * 8)

    assert sorted(answers) == [100] * 7 + [200]
    assert len(provider.calls) == 1


@pytest.mark.usefixtures("provider")
def test_who_finds_too_many_waiting_may_come_back_when_told(api, settings):
    settings.UPSTREAM_CALLS = 0
    answer = api.get(PATH, city="北京")
    assert (answer.json()["status"], answer["Retry-After"]) == (502, str(BUSY_S))

    settings.UPSTREAM_CALLS = 6
    assert api.get(PATH, city="北京").json()["state"] is True
