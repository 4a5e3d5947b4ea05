"""Valkey: its failures delay no request, and a caller is counted as one wherever calls are limited."""

from unittest import mock

import pytest
import redis

from core.cache import valkey
from core.cache.valkey import client
from tests.kit import encoded, posted
from weather.errors import ProviderSilent

pytestmark = pytest.mark.django_db


LIMITED = {
    "uploads": lambda http, **sender: http.post("/upload/uploadImg", {"img": posted(encoded(size=(2, 2)))}, **sender),
    "scan logins": lambda http, **sender: http.get("/users/wechatLogin", {"wechatCode": "false"}, **sender),
    "wrong passwords": lambda http, **sender: http.post("/users/login", {"username": "a", "password": "b"}, **sender),
    "text messages": lambda http, **sender: http.post("/sms/send", {"phoneNumber": "13800000001"}, **sender),
    "weather": lambda http, **sender: http.get("/weather/getWeather", {"city": "苏州"}, **sender),
}


@pytest.fixture(autouse=True)
def _no_provider(monkeypatch, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr("weather.services.report_fetch", mock.Mock(side_effect=ProviderSilent))
    monkeypatch.setattr("accounts.services.sms_codes.sms_send", lambda **_: None)


def counters(call, http, address):
    """Names of the counters that ``call`` from ``address`` moves."""
    for key in client().scan_iter("spms:rate:*"):
        client().delete(key)
    call(http, REMOTE_ADDR=address)
    return set(client().scan_iter("spms:rate:*"))


@pytest.mark.parametrize("name", LIMITED)
def test_addresses_of_one_ipv6_network_share_a_limit(api, roles, name):
    call = LIMITED[name]

    first = counters(call, api.http, "2001:db8:1:2::1")

    assert first and first == counters(call, api.http, "2001:db8:1:2:ffff::99")
    assert first != counters(call, api.http, "2001:db8:1:3::1")
    assert counters(call, api.http, "192.0.2.1") != counters(call, api.http, "192.0.2.2")


def test_a_demo_account_is_limited_at_each_address_by_itself(yuangong, zhuguan):
    def ask(person, address):
        sender = {"headers": {"authorization": person.token}, "REMOTE_ADDR": address}
        return person.http.get("/weather/getWeather", {"city": "苏州"}, **sender).json()["status"]

    too_often, silent = 100, 502
    callers = [(yuangong, "10.0.0.1"), (yuangong, "10.0.0.2"), (zhuguan, "10.0.0.1"), (yuangong, "10.0.0.1")]

    assert [ask(*caller) for caller in callers] == [silent, silent, silent, too_often]


def test_no_command_fails_after_a_restart_of_valkey():
    """A restart closes every connection; so does this."""
    for _ in range(3):
        assert client().get("spms:test:none") is None
        client().client_kill_filter(_type="normal", skipme=False)


def test_who_does_not_answer_is_asked_once_a_second(valkey_down):
    for _ in range(3):
        with pytest.raises(redis.RedisError):
            valkey.client().get("spms:test:a")

    assert len(valkey_down) == 1
