from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.kit import save_page
from weather.models import WeatherAccount, WeatherRecord
from weather.services import account_get, weather_sync
from weather.tests.provider import GOOD_SECRET

pytestmark = pytest.mark.django_db

RECORDS = "/admin/weather/weatherrecord/"
ACCOUNT = "/admin/weather/weatheraccount/1/change/"
SYNC = "/admin/weather/weatheraccount/sync/"


def test_records_are_listed_by_city_and_only_read(office, provider):
    for hours in (30, 1):
        moment = timezone.localtime() - timedelta(hours=hours)
        provider.changes = {"date": f"{moment:%Y-%m-%d}", "update_time": f"{moment:%H:%M}"}
        weather_sync(now=timezone.now(), force=True)

    page = office.get(RECORDS).content.decode()

    assert "立即同步" in page and page.count("?city=%E5%8D%97%E4%BA%AC") == 1  # each city once, to choose from
    for query, rows in (({"city": "南京"}, 2), ({"q": "南"}, 2), ({"q": "<b>北京"}, 0)):
        assert len(office.get(RECORDS, query).context["cl"].result_list) == rows
    assert office.get(RECORDS, {"city": "\0"}).status_code == 302
    address = f"{RECORDS}{WeatherRecord.objects.first().pk}/change/"
    assert "空气提示" in office.get(address).content.decode()
    office.post(address, {"city": "别处"})
    assert set(WeatherRecord.objects.values_list("city", flat=True)) == {"南京"}


def test_the_account_page_masks_the_secret(office, provider, settings):
    settings.WEATHER_APP_SECRET = "from-settings-secret"
    for secret in ("from-settings-secret", GOOD_SECRET):
        assert secret not in office.get(ACCOUNT).content.decode()
    save(office, new_secret=GOOD_SECRET)

    page = office.get(ACCOUNT).content.decode()

    assert GOOD_SECRET not in page and account_get().sealed_secret not in page and "••••••••" in page


def save(office, **values):
    account_get()
    return save_page(office, ACCOUNT, **{"version": "v61", "appid": "app-9", "city": "南京"} | values)


def test_an_account_is_tried_out_before_it_is_kept(office, provider):
    assert office.get("/admin/weather/weatheraccount/").headers["Location"] == ACCOUNT
    assert office.get("/admin/weather/weatheraccount/add/").status_code == 403
    assert save(office).status_code == 302
    assert account_get().credentials.appid == "app-9"
    assert account_get().credentials.appsecret == GOOD_SECRET

    answer = save(office, appid="app-10", new_secret="wrong")
    assert "没有修改。天气查询失败:appid或appsecret错误" in answer.content.decode()
    assert account_get().credentials.appid == "app-9"


def test_the_default_city_is_changed_here(office, provider):
    save(office, appid="app-1", city="苏州市")

    assert (account_get().city_name, account_get().sealed_secret) == ("苏州", "")  # the account is still the settings'
    assert "没有修改" in save(office, city="火星").content.decode() and account_get().city_name == "苏州"


def test_a_lost_key_can_be_mended_here(office, provider):
    account_get()
    WeatherAccount.objects.update(version="v61", appid="x", sealed_secret="gAAAA-not-ours")

    assert office.get(ACCOUNT).status_code == 200
    assert office.get("/weather/getWeather", {"city": "苏州"}).json()["msg"] == "天气账户不可用,请重新设置"
    assert "请输入 appsecret" in save(office).content.decode()
    assert save(office, new_secret=GOOD_SECRET).status_code == 302
    assert account_get().credentials.appsecret == GOOD_SECRET


def test_sync_now_tells_what_came_of_it(office, provider):
    answer = office.post(SYNC, {"back": RECORDS}, follow=True)
    assert "同步成功：南京" in answer.content.decode()
    assert answer.redirect_chain[0][0] == RECORDS

    provider.stop()
    assert "同步失败：天气服务暂时不可用" in office.post(SYNC, {"back": "//evil"}, follow=True).content.decode()


def test_sync_now_is_a_post_with_a_csrf_token_by_those_who_may(office, provider, person):
    assert office.get(SYNC).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = office.cookies
    assert strict.post(SYNC).status_code == 403

    clerk = person("clerk", "200", is_staff=True)
    other = Client()
    other.force_login(clerk.user)
    assert other.post(SYNC).status_code == 403
    assert other.get(ACCOUNT).status_code == 403
    assert other.get("/admin/weather/weatheraccount/").status_code == 403
    assert provider.calls == []
