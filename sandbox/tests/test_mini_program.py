"""The stand-in of a mini program: codes of ``wx.login``, asked by WeChat's real client library, and the payment."""

import pytest
import requests
from django.test import Client
from django.utils import timezone
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

from accounts.models import User
from accounts.services.scan_login import MOCK_CODE
from sandbox.models import Delivery, Trade
from sandbox.tests.test_phone import ELSEWHERE, phone
from shop.tests.factories import make_order

pytestmark = pytest.mark.django_db
CODE = "/sandbox/mini/code"


@pytest.fixture
def session(server, keys):
    """Ask for the session of a code, as WeChat's client does; an error is answered by its number."""

    def ask(code, **changes):
        app = {"appid": keys["WECHAT_MINI_APP_ID"], "secret": keys["WECHAT_MINI_APP_SECRET"]} | changes
        client = WeChatClient(**app, access_token="unused")  # it would fetch one, which this call does not need
        client.API_BASE_URL = f"{server}/sandbox/wxapi/"
        client.wxa.API_BASE_URL = f"{server}/sandbox/wxapi/"
        try:
            return client.wxa.code_to_session(code)
        except WeChatClientException as error:
            return error.errcode

    return ask


@pytest.fixture
def login(api, settings, server):
    settings.WECHAT_API_BASE_URL = f"{server}/sandbox/wxapi"
    return lambda **body: api.post("/users/wxLogin", body).json()


def test_a_phone_and_a_token_get_codes_of_their_account_and_nobody_else_any(person, session):
    li = person("li")
    by_phone, by_token = phone("li"), Client(headers={"authorization": li.token}, **ELSEWHERE)
    bodies = [browser.get(CODE).json() for browser in (by_phone, by_token)]
    assert [body["expires_in"] for body in bodies] == [300, 300]

    first, second = (session(body["code"]) for body in bodies)

    assert first["openid"] == second["openid"] and first["unionid"] == User.objects.get().unionid
    assert first["session_key"] != second["session_key"] and set(first) == {"openid", "unionid", "session_key"}
    for browser in (Client(**ELSEWHERE), Client(headers={"authorization": "x"}, **ELSEWHERE)):
        for query in ("", "?person=李小明"):
            assert (browser.get(CODE + query).status_code, "code" in browser.get(CODE + query).json()) == (403, False)
    assert "unionid" not in session(Client().get(f"{CODE}?person=没有 unionid 的张三").json()["code"])


def test_refuses_as_wechat_does(person, session, control, server, keys):
    person("li")
    browser = phone("li")
    code = browser.get(CODE).json()["code"]

    assert session("false") == 40029
    assert (session(code, appid="wx0"), session(code, secret="no")) == (40013, 40125)
    control("faults", oauth_busy=True)
    assert session(code) == -1
    control("faults", reset=True, oauth_limit=True)
    assert session(code) == 45011
    control("faults", reset=True)
    assert session(code)["openid"]
    assert session(code) == 40163
    web = {"appid": keys["WECHAT_APP_ID"], "secret": keys["WECHAT_APP_SECRET"], "grant_type": "authorization_code"}
    other = browser.get(CODE).json()["code"]
    refused = requests.get(f"{server}/sandbox/wxapi/sns/oauth2/access_token", params=web | {"code": other}, timeout=9)
    assert refused.json()["errcode"] == 40029  # a code of the other app


def test_the_account_logs_in_by_its_code_and_the_guest_by_the_developer_tools(person, login):
    li = person("li", "103", nickname="李").user
    code = phone("li").get(CODE).json()["code"]

    answer = login(code=code, nickname="微信用户")

    assert (answer["msg"], answer["userInfo"]["unid"], answer["userInfo"]["nickname"]) == (
        "微信登入成功",
        li.unid,
        "李",
    )
    assert login(code=code)["msg"] == "请重新扫码"
    assert login(code=MOCK_CODE)["userInfo"]["nickname"] == "游客"


def test_it_pays_with_its_own_appid_and_openid(person, api, login, settings, server):
    settings.WECHAT_PAY_BASE_URL = f"{server}/sandbox/wxpay"
    li = person("li").user
    token = login(code=phone("li").get(CODE).json()["code"])["token"]
    order = make_order(li, now=timezone.now())
    api.token = token

    body = api.post("/pay/payment", {"order_id": order.order_id, "trade_type": "JSAPI"}).json()

    assert (body["msg"], body["appId"]) == ("OK", settings.WECHAT_MINI_APP_ID)
    trade = Trade.objects.get()
    assert (trade.appid, len(trade.openid)) == (settings.WECHAT_MINI_APP_ID, 28)
    paid = requests.post(f"{server}/sandbox/control/pay", json={"prepay_id": body["prepay_id"]}, timeout=9)
    assert paid.json()["trade_state"] == "SUCCESS"
    notice = Delivery.objects.get().body
    api.http.post("/pay/payResult", notice, "text/xml")
    assert api.get("/order/query_order_status", order_id=order.order_id).json()["msg"] == "支付成功"
    page = phone("li").get("/sandbox/phone/").content.decode()
    assert order.order_id in page  # in its bill
