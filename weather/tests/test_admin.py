from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from weather.gateway import Credentials
from weather.models import WeatherAccount, WeatherRecord
from weather.services import account_get, weather_sync
from weather.tests.provider import GOOD_SECRET

pytestmark = pytest.mark.django_db

RECORDS = "/admin/weather/weatherrecord/"
ACCOUNTS = "/admin/weather/weatheraccount/"
ACCOUNT = f"{ACCOUNTS}1/change/"


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


def change(office, **values):
    """Press 修改账户 and send its form."""
    account_get()
    form = {"version": "v61", "appid": "app-9", "new_secret": "", "city": "南京"} | values
    return office.post(ACCOUNT, {"step_change": "1", "sure": "1"} | form, follow=True).content.decode()


def test_the_account_page_and_its_form_mask_the_secret(office, provider, settings):
    settings.WEATHER_APP_SECRET = "from-settings-secret"
    assert office.get("/admin/weather/weatheraccount/").headers["Location"] == ACCOUNT
    assert office.get("/admin/weather/weatheraccount/add/").status_code == 403
    pages = [office.get(ACCOUNT), office.post(ACCOUNT, {"step_change": "1"})]
    change(office, new_secret=GOOD_SECRET)
    pages += [office.get(ACCOUNT), office.post(ACCOUNT, {"step_change": "1"})]

    texts = [page.content.decode() for page in pages]
    assert not [text for text in texts for secret in ("from-settings-secret", GOOD_SECRET) if secret in text]
    assert account_get().sealed_secret not in texts[2] and "••••••••（已设置）" in texts[2]
    assert 'value="app-9"' in texts[3]  # the form begins with what is in use


def test_an_account_is_tried_out_before_it_is_kept(office, provider):
    assert "修改账户完成" in change(office)
    assert account_get().credentials == Credentials("v61", "app-9", GOOD_SECRET)

    page = change(office, appid="app-10", new_secret="wrong")
    assert "天气查询失败:appid或appsecret错误" in page and 'value="app-10"' in page
    assert account_get().credentials.appid == "app-9"
    entry = LogEntry.objects.get_for_object(account_get()).first()
    assert "app-9" in str(entry.changes) and GOOD_SECRET not in str(entry.changes)


def test_the_default_city_is_changed_here(office, provider):
    change(office, appid="app-1", city="苏州市")

    assert (account_get().city_name, account_get().sealed_secret) == ("苏州", "")  # the account is still the settings'
    assert WeatherRecord.objects.get().city == "苏州"
    assert "城市不存在" in change(office, city="火星") and account_get().city_name == "苏州"


def test_a_lost_key_can_be_mended_here(office, provider):
    account_get()
    WeatherAccount.objects.update(version="v61", appid="x", sealed_secret="gAAAA-not-ours")

    assert office.get(ACCOUNT).status_code == 200
    assert office.get("/weather/getWeather", {"city": "苏州"}).json()["msg"] == "天气账户不可用,请重新设置"
    assert "天气账户不可用" in change(office) and provider.calls == []
    change(office, new_secret=GOOD_SECRET)
    assert account_get().credentials.appsecret == GOOD_SECRET


@pytest.mark.parametrize(("path", "press"), [(ACCOUNT, {"step_sync": "1"}), (ACCOUNTS, {"press": "sync:1"})])
def test_sync_now_tells_what_came_of_it(office, provider, path, press):
    if path == ACCOUNT:
        account_get()
    answer = office.post(path, press, follow=True)
    assert "立即同步完成，南京" in answer.content.decode()
    assert answer.redirect_chain[-1][0] == ACCOUNT

    provider.stop()
    assert "天气服务暂时不可用" in office.post(path, press, follow=True).content.decode()


def test_the_account_is_for_those_who_may_see_it(client, provider, person):
    account_get()
    client.force_login(person("clerk", "200", is_staff=True).user)

    for path, press in ((ACCOUNT, {"step_sync": "1"}), (ACCOUNTS, {"press": "sync:1"})):
        assert client.post(path, press).status_code == client.get(path).status_code == 403
    assert provider.calls == []
