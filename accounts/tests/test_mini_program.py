"""``/users/wxLogin``, with a strict WeChat on the other side."""

import json

import pytest

from accounts.models import LoginLog, User
from accounts.services import scan_login
from accounts.tests.test_scan_login import SESSION_KEY, Wechat
from accounts.tokens import token_claims
from core import http
from tests.kit import envelope

pytestmark = pytest.mark.django_db
AGAIN = (10004, False, "请重新扫码")
PICTURE = "https://a.example/1.png"


@pytest.fixture(autouse=True)
def wechat(settings, monkeypatch, roles):
    settings.WECHAT_MINI_APP_ID, settings.WECHAT_MINI_APP_SECRET = "wx-mini", "mini-secret"
    wechat = Wechat()
    monkeypatch.setattr("accounts.wechat.http.get", wechat.get)
    return wechat


@pytest.fixture
def login(api):
    return lambda **body: api.post("/users/wxLogin", body)


def test_a_first_login_makes_a_user_and_the_next_one_finds_it(login, wechat, capfd, caplog):
    wechat.people = {name: {"openid": "o-mini", "unionid": "u1"} for name in ("c1", "c2")}

    first = login(code="c1", nickname="小鹿", headimgurl=PICTURE)
    second = login(code="c2", nickname="小鹿🦌")

    body = first.json()
    assert envelope(first) == (200, True, "微信登入成功")
    assert {"token", "permission", "userInfo"} <= set(body) and body["userInfo"]["roleid"] == "200"
    assert (body["userInfo"]["nickname"], body["userInfo"]["headimgurl"]) == ("小鹿", PICTURE)
    assert second.json()["userInfo"]["unid"] == body["userInfo"]["unid"]
    assert second.json()["userInfo"]["nickname"] == "小鹿🦌"
    assert token_claims(body["token"])["payer"] == ["wx-mini", "o-mini"]
    assert list(LoginLog.objects.values_list("method", flat=True)) == ["mini", "mini"]
    texts = [first.content.decode(), str(token_claims(body["token"])), caplog.text, *capfd.readouterr()]
    assert not [text for text in texts if SESSION_KEY in text or "mini-secret" in text]


def test_it_is_the_person_who_scanned_where_the_unionid_is_the_same_and_an_account_keeps_its_name(
    login, wechat, person
):
    scanned = User.objects.create(username="wx_1", role=person("li").user.role, openid="o-web", wechat_appid="wx-web")
    User.objects.filter(pk=scanned.pk).update(unionid="u1", password="!")
    teacher = person("teacher", "103", nickname="张老师", unionid="u2").user
    wechat.people = {
        "c1": {"openid": "o1", "unionid": "u1"},
        "c2": {"openid": "o2", "unionid": "u2"},
        "c3": {"openid": "o3"},
    }

    assert login(code="c1").json()["userInfo"]["unid"] == scanned.unid
    body = login(code="c2", nickname="微信用户").json()["userInfo"]
    assert (body["unid"], body["nickname"], body["roleid"]) == (teacher.unid, "张老师", "103")
    assert login(code="c3").json()["userInfo"]["unid"] not in (scanned.unid, teacher.unid)


def test_a_missing_false_or_spent_code_is_told_so(login, wechat):
    wechat.people = {"c1": {"openid": "o1"}}
    assert login(code="c1").json()["state"]
    wechat.used.add("spent-elsewhere")

    for code in ("c1", "false", "null", "中文", "x" * 513, "spent-elsewhere"):
        assert envelope(login(code=code)) == AGAIN
    for body in ({}, {"code": ""}):
        assert envelope(login(**body)) == (10004, False, "请传入code")


@pytest.mark.parametrize(("errcode", "http_status"), [(-1, 502), (45011, 429)])
def test_trouble_of_wechats_is_no_fault_of_the_code_which_works_afterwards(login, wechat, errcode, http_status):
    wechat.people = {"c1": {"openid": "o1"}}
    wechat.trouble["jscode2session"] = json.dumps({"errcode": errcode}).encode()
    answer = login(code="c1")
    assert (answer.status_code, answer.json()["state"]) == (http_status, False)
    assert (answer.get("Retry-After") == "60") == (errcode == 45011)

    wechat.trouble.clear()
    assert login(code="c1").json()["msg"] == "微信登入成功"


@pytest.mark.parametrize("answer", [b"{}", b'{"openid": 7}', b'{"openid": "a b"}', http.OutgoingTimeout("…")])
def test_nonsense_of_wechats_makes_nobody(login, wechat, answer):
    wechat.trouble["jscode2session"] = answer

    assert login(code="c1").status_code in (502, 504)
    assert not User.objects.exists()


def test_without_a_mini_program_it_is_refused_clearly(login, wechat, settings):
    settings.WECHAT_MINI_APP_SECRET = ""
    answer = login(code="c1")
    assert (answer.status_code, envelope(answer)) == (503, (503, False, "小程序登入没有开通,请联系管理员"))
    assert wechat.calls == []


def test_the_developer_tools_code_is_a_guest_of_the_network_with_rows_of_its_own_and_nobody_in_production(
    login, api, wechat, settings
):
    guests = [login(code=scan_login.MOCK_CODE).json()["userInfo"] for _ in range(2)]
    api.http.defaults["REMOTE_ADDR"] = "192.0.2.7"
    guests.append(login(code=scan_login.MOCK_CODE).json()["userInfo"])

    assert guests[0]["unid"] == guests[1]["unid"] != guests[2]["unid"]
    roles = {user.role.data_scope: user.role.origin.roleid for user in User.objects.select_related("role__origin")}
    assert roles == {"own": "200"} and wechat.calls == []
    settings.SANDBOX = False
    assert envelope(login(code=scan_login.MOCK_CODE)) == AGAIN
