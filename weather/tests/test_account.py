"""Contract 3 "Weather", /weather/updateWeatherCount, and how the secret is kept."""

import logging

import pytest
from django.db import connection
from django.utils import timezone

from core.observe.logs import hide_secrets
from weather.models import WeatherAccount
from weather.services import account_change, account_get
from weather.tests import provider as providers
from weather.tests.provider import GOOD_SECRET

pytestmark = pytest.mark.django_db

PATH = "/weather/updateWeatherCount"
NEW = {"version": "v61", "appid": "app-2", "appsecret": GOOD_SECRET}
DONE = {"status": 200, "state": True, "msg": "修改成功"}


def unchanged():
    return not WeatherAccount.objects.exclude(sealed_secret="").exists()


@pytest.mark.parametrize("way", ["get", "json", "form", "multipart"])
def test_root_changes_the_account_once_the_provider_has_accepted_it(root, provider, way):
    answer = root.get(PATH, **NEW) if way == "get" else root.post(PATH, NEW, format=way)

    assert (answer.status_code, answer.json()) == (200, DONE)
    assert [call["appid"] for call in provider.calls] == ["app-2"]
    assert account_get().credentials.appid == "app-2"
    root.get("/weather/getWeather", city="苏州")
    assert provider.calls[-1]["appid"] == "app-2"


ODD = [
    {"version": "v 61"}, {"version": "v" * 17}, {"appid": "中文"}, {"appid": "a b"}, {"appsecret": "a\nb"},
    {"appsecret": "x" * 129}, {"appid": ["a"]}, {"appid": {"$gt": ""}}, {"version": True},
]  # fmt: skip


def test_all_three_values_are_needed_and_odd_ones_refused_by_name_before_the_provider_is_asked(root, provider):
    for params in ({}, *({**NEW, name: value} for name in NEW for value in ("", " "))):
        body = root.get(PATH, **params).json()
        assert (body["state"], body["msg"]) == (False, "参数少传递了")
    for params in ODD:
        answer = root.post(PATH, NEW | params)
        assert (answer.status_code, answer.json()["state"]) == (200, False)
        assert next(iter(params)) in answer.json()["msg"]
    assert provider.calls == [] and unchanged()


def test_an_account_without_weather_is_not_kept(root, provider):
    body = root.get(PATH, **NEW | {"appsecret": "wrong"}).json()
    assert (body["state"], body["msg"]) == (False, "天气查询失败:appid或appsecret错误")
    assert unchanged()
    root.get(PATH, **NEW)
    provider.stop()

    body = root.get(PATH, **NEW | {"appid": "app-3"}).json()

    assert (body["state"], body["status"]) == (False, 502)
    assert account_get().credentials.appid == "app-2"


def test_the_secret_is_nowhere_in_the_clear(root, provider, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger().setLevel(logging.DEBUG)
    root.get(PATH, **NEW)
    provider.behave = lambda handler, query: providers.send(handler, {"errcode": 1, "errmsg": f"?{query['appsecret']}"})
    answer = root.get(PATH, **NEW)
    provider.stop()
    down = root.get(PATH, **NEW)

    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM weather_weatheraccount t")
        row = cursor.fetchone()[0]
    texts = [row, answer.content.decode(), down.content.decode(), repr(account_get().credentials)]
    # At DEBUG urllib3 names the address it asks: core.observe.logs hides the secret in it.
    logged = [hide_secrets(None, "", {"event": r.getMessage()})["event"] for r in caplog.records]
    assert not [text for text in texts + logged if GOOD_SECRET in text]
    assert account_get().credentials.appsecret == GOOD_SECRET


def test_a_secret_that_is_entered_again_is_sealed_with_the_present_key(root, provider, settings):
    root.get(PATH, **NEW)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key" * 5, [settings.SECRET_KEY]

    account_change(credentials=account_get().credentials, changed_by="root", now=timezone.now())

    settings.SECRET_KEY_FALLBACKS = []
    assert account_get().credentials.appsecret == GOOD_SECRET
    settings.SECRET_KEY = "a-third-key" * 5
    assert account_get().credentials.appsecret == ""


def test_until_it_is_changed_the_account_is_that_of_the_settings(provider, settings):
    settings.WEATHER_APP_ID, settings.WEATHER_CITY = "from-env", "无锡市"

    assert (account_get().credentials.appid, account_get().city_name) == ("from-env", "无锡")
