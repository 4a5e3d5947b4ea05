"""The stand-in of WeChat's login, used by the real client and by a phone."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from wechatpy.exceptions import WeChatOAuthException
from wechatpy.oauth import WeChatOAuth

from core.cache import valkey


@pytest.fixture
def phone(server, keys):
    """Scan: answers where the phone is sent."""

    def scan(action="allow", scope="snsapi_userinfo", **form):
        oauth = WeChatOAuth(keys["WECHAT_APP_ID"], "", f"{server}/users/wechatCallBack", scope, "abc123")
        oauth.OAUTH_BASE_URL = f"{server}/sandbox/oauth/connect/"
        session = requests.Session()
        reply = session.get(oauth.authorize_url)
        assert "<script" not in reply.text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', reply.text)[1]
        data = {"csrfmiddlewaretoken": token, "action": action, "person": "李小明"} | form
        answer = session.post(reply.url, data=data, allow_redirects=False)
        return urlsplit(answer.headers["Location"]) if answer.is_redirect else answer

    return scan


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


def test_who_allows_comes_back_with_a_code_and_is_known(phone, oauth, server):
    address = phone(other="小鹿🦌")
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
    assert phone(action="deny").query == "state=abc123"  # without a code
    assert "请选择或填写一位微信用户" in phone(person="", other="   ").text


def test_a_person_is_the_same_each_time_and_a_code_works_once_and_not_for_ever(phone, oauth):
    def token(name):
        return oauth().fetch_access_token(code_of(phone(other=name)))

    assert token("某人")["openid"] == token("某人")["openid"] != token("别人")["openid"]
    assert "unionid" in token("某人") and "unionid" not in token("没有 unionid 的张三")
    used, over = code_of(phone()), code_of(phone())
    oauth().fetch_access_token(used)
    for code in (used, over):
        assert 0 < valkey.client().ttl(f"sandbox:oauth:code:{code}") <= 300
    valkey.client().delete(f"sandbox:oauth:code:{over}")

    assert refusal(lambda: oauth().fetch_access_token(used)) == 40163
    assert refusal(lambda: oauth().fetch_access_token(over)) == 40029


def test_refuses_like_the_real_one(phone, oauth, server):
    code = code_of(phone())

    assert refusal(lambda: oauth(app_id="wx0").fetch_access_token(code)) == 40013
    assert refusal(lambda: oauth(secret="no").fetch_access_token(code)) == 40125
    assert refusal(lambda: oauth().get_user_info("o", "made-up")) == 40001
    silent = oauth()
    silent.fetch_access_token(code_of(phone(scope="snsapi_base")))
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


def test_opens_a_snapshot_page_first_or_fails_on_demand(phone, oauth, control, server):
    control("faults", oauth_snapshot=True)

    virtual = oauth().fetch_access_token(code_of(phone()))
    person = oauth().fetch_access_token(code_of(phone("full")))

    assert (virtual["is_snapshotuser"], "unionid" in virtual) == (1, True)
    assert "is_snapshotuser" not in person and person["openid"] != virtual["openid"]
    control("faults", oauth_down=True)
    assert requests.get(f"{server}/sandbox/wxapi/sns/userinfo").status_code == 502
