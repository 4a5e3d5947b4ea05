"""The stand-in of WeChat's login, asked by the real client libraries: a scan with a phone, and mini programs."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException, WeChatOAuthException
from wechatpy.oauth import WeChatOAuth

from accounts.models import User
from accounts.services.scan_login import MOCK_CODE
from core.cache import valkey
from sandbox.models import Delivery, Trade
from sandbox.tests.test_phone import ELSEWHERE, phone
from shop.tests.factories import make_order

pytestmark = pytest.mark.django_db
CODE = "/sandbox/mini/code"


@pytest.fixture
def scan(server, keys):
    """Scan: answers where the phone is sent."""

    def allow(action="allow", scope="snsapi_userinfo", **form):
        oauth = WeChatOAuth(keys["WECHAT_APP_ID"], "", f"{server}/users/wechatCallBack", scope, "abc123")
        oauth.OAUTH_BASE_URL = f"{server}/sandbox/oauth/connect/"
        session = requests.Session()
        reply = session.get(oauth.authorize_url)
        assert "<script" not in reply.text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', reply.text)[1]
        data = {"csrfmiddlewaretoken": token, "action": action, "person": "李小明"} | form
        answer = session.post(reply.url, data=data, allow_redirects=False)
        return urlsplit(answer.headers["Location"]) if answer.is_redirect else answer

    return allow


@pytest.fixture
def oauth(server, keys):
    def make(**changes):
        app = {"app_id": keys["WECHAT_APP_ID"], "secret": keys["WECHAT_APP_SECRET"]} | changes
        client = WeChatOAuth(**app, redirect_uri="")
        client.API_BASE_URL = f"{server}/sandbox/wxapi/"
        return client

    return make


def code_of(address):
    return parse_qs(address.query)["code"][0]


def refusal(call):
    with pytest.raises(WeChatOAuthException) as error:
        call()
    assert "rid: " in error.value.errmsg
    return error.value.errcode


def test_who_allows_comes_back_with_a_code_and_is_known(scan, oauth, server):
    address = scan(other="小鹿🦌")
    client = oauth()

    token = client.fetch_access_token(code_of(address))
    person = client.get_user_info()

    assert address.path == "/users/wechatCallBack"
    assert parse_qs(address.query)["state"] == ["abc123"]
    assert (token["expires_in"], token["scope"], len(token["openid"])) == (7200, "snsapi_userinfo", 28)
    assert (person["openid"], person["nickname"], person["sex"]) == (token["openid"], "小鹿🦌", 2)
    assert person["unionid"] == token["unionid"]
    assert person["headimgurl"].endswith("/static/sandbox/faces/3.svg")
    assert refusal(lambda: client.get_user_info(openid="o-somebody-else")) == 40003
    assert scan(action="deny").query == "state=abc123"  # without a code
    assert "请选择或填写一位微信用户" in scan(person="", other="   ").text


def test_a_person_is_the_same_each_time_and_a_code_works_once_and_not_for_ever(scan, oauth):
    def token(name):
        return oauth().fetch_access_token(code_of(scan(other=name)))

    assert token("某人")["openid"] == token("某人")["openid"] != token("别人")["openid"]
    assert "unionid" in token("某人") and "unionid" not in token("没有 unionid 的张三")
    used, over = code_of(scan()), code_of(scan())
    oauth().fetch_access_token(used)
    for code in (used, over):
        assert 0 < valkey.client().ttl(f"sandbox:oauth:code:{code}") <= 300
    valkey.client().delete(f"sandbox:oauth:code:{over}")

    assert refusal(lambda: oauth().fetch_access_token(used)) == 40163
    assert refusal(lambda: oauth().fetch_access_token(over)) == 40029


def test_refuses_like_the_real_one(scan, oauth, server):
    code = code_of(scan())

    assert refusal(lambda: oauth(app_id="wx0").fetch_access_token(code)) == 40013
    assert refusal(lambda: oauth(secret="no").fetch_access_token(code)) == 40125
    assert refusal(lambda: oauth().get_user_info("o", "made-up")) == 40001
    silent = oauth()
    silent.fetch_access_token(code_of(scan(scope="snsapi_base")))
    assert refusal(silent.get_user_info) == 48001
    answer = requests.get(f"{server}/sandbox/wxapi/sns/userinfo")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain")


WRONG_ADDRESSES = [
    ({"appid": "wx0"}, "AppID 参数错误"),
    ({"scope": "snsapi_login"}, "Scope 参数错误"),
    ({"state": "a-b"}, "state 参数错误"),
    ({"redirect_uri": "https://evil.example/"}, "redirect_uri 域名与后台配置不一致"),
    ({"redirect_uri": "http://["}, "redirect_uri 域名与后台配置不一致"),
]


def test_checks_the_address_in_the_qr(client, keys):
    fields = {"appid": keys["WECHAT_APP_ID"], "scope": "snsapi_userinfo", "state": "abc"}
    fields |= {"redirect_uri": "http://testserver/users/wechatCallBack", "response_type": "code"}
    for changes, text in WRONG_ADDRESSES:
        page = client.get("/sandbox/oauth/connect/oauth2/authorize", fields | changes)
        assert text in page.content.decode()


def test_opens_a_snapshot_page_first_on_demand(scan, oauth, control):
    control("faults", oauth_snapshot=True)

    virtual = oauth().fetch_access_token(code_of(scan()))
    person = oauth().fetch_access_token(code_of(scan("full")))

    assert (virtual["is_snapshotuser"], "unionid" in virtual) == (1, True)
    assert "is_snapshotuser" not in person and person["openid"] != virtual["openid"]


# --- Mini programs ---
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


def test_refuses_a_mini_program_as_wechat_does(person, session, control, server, keys):
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
