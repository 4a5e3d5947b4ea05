"""The phone of an account: what it shows to whom, from this machine and from another one."""

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.sms import asker_tag
from accounts.tests.entering import PASSWORD
from sandbox.callers import PHONE_COOKIE
from sandbox.models import TextMessage, Trade
from sandbox.pay.trades import trade_place
from sandbox.tests.conftest import EXPIRES
from shop.models import Order

pytestmark = pytest.mark.django_db
# Another machine of the network; a web page on this machine that reaches 127.0.0.1 by its own name; a proxy.
ELSEWHERE = {"REMOTE_ADDR": "192.168.1.7", "HTTP_HOST": "192.168.1.5:8000"}
REBOUND = {"HTTP_HOST": "evil.example"}
PROXIED = {"HTTP_X_FORWARDED_FOR": "192.168.1.7"}
NUMBER = "13655554444"


def phone(username, password=PASSWORD, **caller):
    """A browser on another machine that has logged in on the phone."""
    browser = Client(**(caller or ELSEWHERE))
    browser.post("/sandbox/phone/", {"username": username, "password": password})
    return browser


def json(browser, path, data=None, **caller):
    answer = (
        browser.post(path, data, content_type="application/json", **caller) if data else browser.get(path, **caller)
    )
    return answer.status_code, answer.json()


@pytest.fixture
def order():
    """Place an order at the provider, of a user or of nobody; returns its code."""

    def place(number, user=None):
        if user:
            times = {"created_at": timezone.now(), "expires_at": EXPIRES, "sweep_at": EXPIRES}
            Order.objects.create(order_id=number, user=user, total=1, **times)
        url = "http://127.0.0.1:9/pay/payResult"
        facts = {"appid": django_settings.WECHAT_APP_ID, "trade_type": "NATIVE", "expires_at": EXPIRES}
        draft = Trade(out_trade_no=number, body="可乐", total_fee=100, notify_url=url, **facts)
        return trade_place(draft, now=timezone.now())

    return place


# --- The login ---------------------------------------------------------------------------------------


def test_logs_in_by_name_and_password_for_thirty_days_and_until_the_password_changes(person):
    li = person("li").user
    browser = phone("li")

    cookie = browser.cookies[PHONE_COOKIE]
    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (
        *(30 * 24 * 3600, True, "Lax", "/sandbox/"),
    )
    assert "li 的手机" in browser.get("/sandbox/phone/").content.decode()
    li.set_password("another")
    li.save()
    assert "登录手机" in browser.get("/sandbox/phone/").content.decode()
    again = phone("li", "another")
    User.objects.filter(pk=li.pk).update(is_active=False)
    assert "登录手机" in again.get("/sandbox/phone/").content.decode()
    assert PHONE_COOKIE not in phone("li", "another").cookies


def test_wrong_passwords_and_forged_cookies_open_nothing_and_guessing_ends(person):
    person("li")
    browser = Client(**ELSEWHERE)
    for cookie in ("", "x", "WyJsaSIsMV0:1:forged"):
        browser.cookies[PHONE_COOKIE] = cookie
        assert "登录手机" in browser.get("/sandbox/phone/").content.decode()
    for username, password in (("li", "wrong"), ("nobody", "x"), ("li\x00", "x"), ("li", "")):
        answer = browser.post("/sandbox/phone/", {"username": username, "password": password})
        assert (answer.status_code, "用户名或者密码错误" in answer.content.decode()) == (200, True)
    statuses = [
        browser.post("/sandbox/phone/", {"username": "li", "password": f"guess{n}"}).status_code for n in range(31)
    ]
    assert statuses[0] == 200 and statuses[-1] == 429
    assert "li 的手机" not in browser.get("/sandbox/phone/").content.decode()


def test_on_this_machine_the_name_is_enough_and_nowhere_else(person, client):
    person("li")

    for caller in (ELSEWHERE, REBOUND, PROXIED):
        client.post("/sandbox/phone/", {"username": "li"}, **caller)
        assert PHONE_COOKIE not in client.cookies
    client.post("/sandbox/phone/", {"username": "li"})
    assert "li 的手机" in client.get("/sandbox/phone/").content.decode()
    client.post("/sandbox/phone/", {"leave": ""})
    assert "登录手机" in client.get("/sandbox/phone/").content.decode()


@pytest.mark.parametrize("there", ["/sandbox/sms/", "//evil.example/", "https://evil.example/", "/admin/", ""])
def test_leads_on_to_pages_of_the_sandbox_alone(person, there):
    person("li")
    answer = Client(**ELSEWHERE).post("/sandbox/phone/", {"username": "li", "password": PASSWORD, "next": there})
    assert answer["Location"] == (there if there == "/sandbox/sms/" else "/sandbox/phone/")


# --- Messages: a code is as good as a password ---------------------------------------------------------


def message(number, code, asker=""):
    at = timezone.now()
    TextMessage.objects.create(phone=number, code=code, text=f"验证码是{code}", at=at, out_id=asker_tag(asker))


def codes(browser, number="", **caller):
    rows = browser.get(f"/sandbox/sms/messages/?phone={number}", **caller).json()
    page = browser.get(f"/sandbox/sms/?phone={number}", **caller).content.decode()
    assert all(row["text"] in page and set(row) == {"phone", "code", "text", "at"} for row in rows)
    assert page.count("验证码是") == len(rows)
    return [row["code"] for row in rows]


@pytest.mark.parametrize("caller", [ELSEWHERE, REBOUND, PROXIED], ids=["elsewhere", "rebound", "proxied"])
def test_a_registered_number_is_read_by_its_owner_alone_whoever_asked(person, client, office, root, caller):
    """A stranger asks for a code to the director's number, and would log in as the director with it."""
    person("director", "102", phone=NUMBER, is_phone_bound=True)
    thief = person("thief", phone=NUMBER)  # who only writes the number down as his own
    message(NUMBER, "11111")
    message(NUMBER, "22222", thief.user.unid)

    assert codes(client, **caller) == codes(Client(), headers={}, **caller) == []
    assert codes(phone("thief", **caller)) == []
    assert codes(Client(headers={"authorization": thief.token}), **caller) == []
    assert codes(phone("director", **caller)) == ["22222", "11111"]
    for everything in (client, Client(REMOTE_ADDR="::1")):  # the twin: on this machine it is open
        assert codes(everything) == codes(everything, NUMBER) == ["22222", "11111"]
    assert codes(client, "%00") == codes(client, "13800000000") == []
    assert (
        codes(office, **caller) == codes(Client(headers={"authorization": root.token}), **caller) == ["22222", "11111"]
    )


def test_a_number_of_nobody_is_read_by_the_account_that_asked_with_its_token(person, api, settings, server):
    settings.SMS_BASE_URL = f"{server}/sandbox/aliyun-sms"
    li = person("li")
    person("wang")
    person("zhao", phone=NUMBER)  # who has written it down and not bound it
    li.http = Client(**ELSEWHERE)
    assert li.post("/sms/send", {"phoneNumber": NUMBER}).json()["msg"] == "OK"
    api.http = Client(**ELSEWHERE)
    assert api.post("/sms/send", {"phoneNumber": "13900000000"}).json()["msg"] == "OK"

    sent = TextMessage.objects.get(phone=NUMBER).code
    assert codes(phone("li")) == [sent] and codes(phone("wang")) == codes(phone("zhao")) == []
    assert codes(Client(**ELSEWHERE)) == []  # from the address that asked for both
    User.objects.filter(username="wang").update(phone=NUMBER, is_phone_bound=True)
    assert codes(phone("li")) == [] and codes(phone("wang")) == [sent]


# --- Orders --------------------------------------------------------------------------------------------


def numbers(answer):
    return [trade["out_trade_no"] for trade in answer[1]["trades"]]


def test_orders_are_their_buyers(person, order, client, office, root):
    li, wang = person("li"), person("wang")
    code = order("20261129of-li", li.user)
    order("20261129of-wang", wang.user)
    trades, mine = "/sandbox/control/trades", "/sandbox/control/trades?out_trade_no=20261129of-li"

    assert json(client, trades, **ELSEWHERE)[0] == 403
    assert "of-li" not in client.get("/sandbox/", **ELSEWHERE).content.decode()
    for browser in (phone("wang"), Client(headers={"authorization": wang.token}, **ELSEWHERE)):
        assert (numbers(json(browser, trades)), numbers(json(browser, mine))) == (["20261129of-wang"], [])
        page = browser.get("/sandbox/").content.decode()
        assert "of-wang" in page and "of-li" not in page
        body = {"code_url": code.code_url, "refund_abnormal": True}
        assert json(browser, "/sandbox/control/faults", body)[0] == 403
        assert json(browser, "/sandbox/control/pay", {"out_trade_no": "20261129of-li"})[0] == 404
    assert json(client, "/sandbox/control/deliver", {"ahead_s": 60}, **ELSEWHERE)[0] == 403
    assert (Trade.objects.filter(state="NOTPAY").count(), Trade.objects.filter(faults__isnull=False).count()) == (2, 0)
    for everything in (office, Client(headers={"authorization": root.token}, **ELSEWHERE)):
        assert numbers(json(everything, trades, **ELSEWHERE)) == ["20261129of-wang", "20261129of-li"]
    assert numbers(json(client, trades)) == ["20261129of-wang", "20261129of-li"]  # the twin, on this machine
    assert json(client, "/sandbox/control/faults", {"code_url": code.code_url, "refund_abnormal": True})[0] == 200


def test_who_holds_a_code_may_pay_it_and_it_enters_the_bill_of_who_paid(person, order):
    li, wang = person("li", nickname="李"), person("wang")
    first, second = order("20261129first0", li.user), order("20261129second", li.user)

    assert json(phone("wang"), "/sandbox/control/pay", {"code_url": first.code_url})[0] == 200
    assert json(Client(**ELSEWHERE), "/sandbox/control/pay", {"prepay_id": second.prepay_id})[0] == 200

    pages = {name: phone(name).get("/sandbox/phone/").content.decode() for name in ("li", "wang")}
    assert "first0" in pages["wang"] and "second" not in pages["wang"]
    assert "first0" not in pages["li"] and "second" in pages["li"]
    assert wang.user.username in pages["wang"]


def test_the_buyer_sets_and_sends_what_is_the_own_orders(person, order):
    li = person("li")
    code, other = order("20261129of-li", li.user), order("20261129another")
    browser = phone("li")
    page = browser.get("/sandbox/phone/").content.decode()
    assert f"/sandbox/pay/{code.token}/" in page and other.token not in page

    assert json(browser, "/sandbox/control/faults", {"code_url": code.code_url, "notify_late": 30})[0] == 200
    assert json(browser, "/sandbox/control/pay", {"out_trade_no": "20261129of-li"})[0] == 200
    json(Client(), "/sandbox/control/pay", {"out_trade_no": "20261129another"})
    assert len(json(browser, "/sandbox/control/deliver", {"ahead_s": 60})[1]["deliveries"]) == 1
    assert other.deliveries.get().attempts == 0


def test_neither_the_phone_nor_the_list_of_trades_asks_more_for_more_orders(person, order, django_assert_num_queries):
    li = person("li")
    browser = phone("li")

    def places(number):
        json(browser, "/sandbox/control/pay", {"code_url": order(f"2026112900paid{number}", li.user).code_url})
        order(f"2026112900open{number}", li.user)

    places(0)
    for path, queries in (("/sandbox/phone/", 5), ("/sandbox/control/trades", 4)):
        with django_assert_num_queries(queries):
            browser.get(path)
    for number in range(1, 4):
        places(number)
    for path, queries in (("/sandbox/phone/", 5), ("/sandbox/control/trades", 4)):
        with django_assert_num_queries(queries):
            assert "2026112900open3" in browser.get(path).content.decode()


# --- The scan ------------------------------------------------------------------------------------------


@pytest.fixture
def consent(keys):
    """The address in a QR code."""
    query = f"appid={keys['WECHAT_APP_ID']}&scope=snsapi_userinfo&state=abc123&response_type=code"
    return f"/sandbox/oauth/connect/oauth2/authorize?{query}&redirect_uri={quote('/users/wechatCallBack')}"


def scan(browser, consent, **form):
    answer = browser.post(consent, {"action": "allow"} | form)
    return parse_qs(urlsplit(answer["Location"]).query)["code"][0]


@pytest.fixture
def wechat_login(api, settings, server):
    settings.WECHAT_API_BASE_URL = f"{server}/sandbox/wxapi"

    def login(code):
        return api.get("/users/wechatLogin", wechatCode=code).json()

    return login


def test_a_scan_on_a_phone_logs_in_its_own_account_and_makes_nobody(person, wechat_login, consent, client):
    li = person("li", "103", nickname="李老师", headimgurl="/media/li.png").user
    person("wang")
    page = Client(**ELSEWHERE).get(consent)
    assert page.status_code == 302 and page["Location"] == f"/sandbox/phone/?next={quote(consent, safe='')}"
    assert client.post(consent, {"action": "allow", "person": "李小明"}, **ELSEWHERE)["Location"].startswith(
        "/sandbox/phone/"
    )
    browser = phone("li")
    text = browser.get(consent).content.decode()
    assert "李老师" in text and "李小明" not in text and "wang" not in text

    # Neither a person of WeChat's nor another account: on another machine the phone is its own.
    for form in ({}, {"person": "李小明"}, {"other": "某人"}, {"account": "wang"}):
        body = wechat_login(scan(browser, consent, **form))
        assert (body["msg"], body["userInfo"]["unid"], body["userInfo"]["roleid"]) == ("微信登入成功", li.unid, "103")
    before = (li.nickname, li.headimgurl)
    li.refresh_from_db()
    assert (li.nickname, li.headimgurl) == before and User.objects.count() == 2


def test_on_this_machine_the_phone_is_anybodys(person, wechat_login, consent, client):
    li = person("li", "103", class_name="H5").user
    page = client.get(consent).content.decode()
    assert "李小明" in page and '<option value="li">H5' in page

    assert wechat_login(scan(client, consent, account="li"))["userInfo"]["unid"] == li.unid
    somebody = wechat_login(scan(client, consent, other="某人"))["userInfo"]
    assert (somebody["nickname"], somebody["roleid"]) == ("某人", "200")
    client.post("/sandbox/phone/", {"username": "li"})
    assert wechat_login(scan(client, consent, person="@phone"))["userInfo"]["unid"] == li.unid
    assert "一个已有的账号" in client.post(consent, {"action": "allow", "account": "nobody"}).content.decode()


def test_a_phone_keeps_the_openid_that_its_account_has_and_a_deleted_account_is_nobody(person, wechat_login, consent):
    app = django_settings.WECHAT_APP_ID
    wang = person("wang", openid="o-of-wang", wechat_appid=app).user
    browser = phone("wang")
    assert wechat_login(scan(browser, consent))["userInfo"]["unid"] == wang.unid
    assert "o-of-wang" in browser.get("/sandbox/phone/").content.decode()

    code = scan(browser, consent)
    wang.delete()

    assert wechat_login(code)["msg"] == "请重新扫码"
    assert not User.objects.exists()


def test_the_list_of_names_has_no_other_machine_to_read_it(settings, client, person, consent):
    """Practice has no machine of its own: with an empty list nobody counts as this one."""
    person("li", class_name="H5")
    assert "李小明" in client.get(consent).content.decode()
    settings.SANDBOX_LOCAL_HOSTS = []
    assert client.get(consent)["Location"].startswith("/sandbox/phone/")
    assert client.get("/sandbox/control/trades").status_code == 403
    assert re.search("登录手机", client.get("/sandbox/").content.decode())
