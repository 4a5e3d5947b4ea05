"""The scan login from the QR code to the token, with a strict WeChat on the other side."""

import asyncio
import json
from datetime import timedelta
from functools import partial
from threading import BoundedSemaphore
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts.errors import CodeInvalid, WechatCodeSpent
from accounts.models import LoginLog, LoginMethod, User
from accounts.services import scan_codes, scan_login
from accounts.services.login_records import LoginContext
from accounts.tasks import expire_scan_codes
from accounts.tests.entering import user_json
from accounts.wechat import WechatProfile
from core import http
from core.cache import valkey
from sockets import packets, sessions
from sockets.protocol import Peer
from tests.kit import at_once

pytestmark = pytest.mark.django_db
INVALID = {"state": False, "status": 10004, "msg": "无效的二维码"}
DOWN, SLOW = http.OutgoingError("HTTP 502"), http.OutgoingTimeout("Timeout")
SESSION_KEY = "c2VjcmV0LXNlc3Npb24ta2V5"
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Screen:
    """A connected socket, without the process that holds it."""

    def __init__(self, address=""):
        self.sid, self.taken = sessions.new_sid(), list[str]()
        self.does("open", Peer(self.sid, 4, is_joined=True), sessions.POLLING, address)

    def does(self, step, *args):
        async def run():
            store = sessions.Sessions()
            try:
                return await getattr(store, step)(*args)
            finally:
                await store.client.aclose(close_connection_pool=True)

        return asyncio.run(run())

    def leave(self):
        self.does("close", self.sid)

    @property
    def events(self):
        self.taken += self.does("take", self.sid) or []
        return [packets.decode_event(packet) for packet in self.taken]


@pytest.fixture
def screen():
    return Screen()


class Wechat:
    """WeChat's API: a code works once."""

    def __init__(self):
        self.people = {}
        self.used = set()
        self.calls = []
        self.trouble = {}
        self.changes = {}

    def may(self, code, **person):
        self.people[code] = {"openid": "o1", "nickname": "李小明", "headimgurl": "https://a.example/1.png"} | person
        return code

    def get(self, url, *, params, **_):
        assert url.startswith(django_settings.WECHAT_API_BASE_URL + "/sns/")
        call = url.rsplit("/", 1)[1]
        self.calls.append(call)
        if trouble := self.trouble.get(call):
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        answers = {"access_token": self._token, "userinfo": self._person, "jscode2session": self._session}
        return json.dumps(answers[call](params) | self.changes.get(call, {})).encode()

    def _token(self, params):
        assert params["grant_type"] == "authorization_code"
        ours = (django_settings.WECHAT_APP_ID, django_settings.WECHAT_APP_SECRET)
        assert (params["appid"], params["secret"]) == ours
        code = params["code"]
        if refusal := self._spend(code):
            return refusal
        token = {"access_token": f"token-{code}", "expires_in": 7200, "refresh_token": "r"}
        return token | {"openid": self.people[code]["openid"], "scope": "snsapi_userinfo"}

    def _session(self, params):
        """Of a mini program."""
        assert set(params) == {"appid", "secret", "js_code", "grant_type"}
        assert params["grant_type"] == "authorization_code"
        ours = (django_settings.WECHAT_MINI_APP_ID, django_settings.WECHAT_MINI_APP_SECRET)
        assert (params["appid"], params["secret"]) == ours
        return self._spend(params["js_code"]) or {"session_key": SESSION_KEY} | self.people[params["js_code"]]

    def _spend(self, code):
        if code in self.used:
            return {"errcode": 40163, "errmsg": "code been used, rid: 1"}
        if code not in self.people:
            return {"errcode": 40029, "errmsg": "invalid code, rid: 1"}
        self.used.add(code)
        return None

    def _person(self, params):
        person = self.people[params["access_token"].removeprefix("token-")]
        assert params["openid"] == person["openid"] and params["lang"] == "zh_CN"
        return {"sex": 1, "city": "重庆", "province": "重庆", "country": "中国", "privilege": []} | person


@pytest.fixture(autouse=True)
def wechat(monkeypatch):
    stand_in = Wechat()
    monkeypatch.setattr("accounts.wechat.http.get", stand_in.get)
    return stand_in


def state_of(url):
    return parse_qs(urlsplit(url).query)["state"][0]


@pytest.fixture
def qr(api):
    """Ask for a QR code; answers its state."""
    return lambda screen: state_of(api.get("/users/getQrcode", sid=screen.sid).json()["scanCodeUrl"])


@pytest.fixture
def scan(api):
    """Scan with a phone, or with its browser."""
    return lambda headers=None, **query: api.get("/users/wechatCallBack", headers=headers, **query)


@pytest.fixture
def log_in(api, roles):
    return lambda code: api.get("/users/wechatLogin", wechatCode=code)


# --- getQrcode ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/users/getQrcode", "/users/getScancode", "/users/getqrcode/"])
def test_gives_a_connected_socket_its_code(api, screen, settings, path):
    near = api.get(path, headers={"host": "192.168.1.5:8000"}, sid=screen.sid).json()["scanCodeUrl"]
    assert near.startswith("http://192.168.1.5:8000/sandbox/oauth/connect/oauth2/authorize?"), "a phone finds it"
    assert "redirect_uri=http%3A%2F%2F192.168.1.5%3A8000%2Fusers%2FwechatCallBack&" in near
    settings.WECHAT_OAUTH_BASE_URL = "https://open.weixin.qq.com"
    settings.PUBLIC_BASE_URL, settings.PUBLIC_BASE_URL_IS_SET = "https://api.example.com", True

    body = api.get(path, sid=screen.sid).json()

    url = body.pop("scanCodeUrl")
    head, state = url.removesuffix("#wechat_redirect").split("&state=")
    callback = quote("https://api.example.com/users/wechatCallBack", safe="")
    assert body == {"state": True, "status": 200}
    assert url.endswith("#wechat_redirect")
    assert head == (
        f"https://open.weixin.qq.com/connect/oauth2/authorize?appid={settings.WECHAT_APP_ID}"
        f"&redirect_uri={callback}&response_type=code&scope=snsapi_userinfo"
    )
    assert state.isascii() and state.isalnum() and len(state) == 32
    for sid in ("never-seen-never-connected", "../*"):
        answer = api.get(path, sid=sid).json()
        assert answer == {"state": False, "status": 10022, "msg": "socket指定sid错误"}


NO_SID = {"state": False, "status": 10022, "msg": "没有传递sid"}


def test_the_old_name_without_sid_means_the_socket_of_the_address_that_waits(api, scan, settings, monkeypatch):
    other, screens = Screen("10.0.0.2"), list[Screen]()

    def connect_late(_):
        screens.extend([] if screens else [Screen("127.0.0.1")])

    monkeypatch.setattr(scan_codes, "sleep", connect_late)
    url = api.get("/users/getScancode").json()["scanCodeUrl"]
    scan(code="c1", state=state_of(url))
    assert [len(screen.events) for screen in (*screens, other)] == [1, 0]

    again = api.get("/users/getScancode").json()["scanCodeUrl"]
    assert again != url, "the browser's cookie says which socket it asked for"
    api.http.cookies.clear()
    assert api.get("/users/getScancode").json() == NO_SID
    assert api.get("/users/getQrcode").json() == NO_SID, "the documented name never guesses"
    settings.SANDBOX = False
    assert api.get("/users/getScancode").json() == NO_SID


def test_a_crowd_of_sockets_at_one_address_costs_a_question_for_none_of_them(monkeypatch):
    """A stranger opens thousands in seconds, and each question takes time of a thread that serves others."""
    asked = Mock(return_value=False)
    monkeypatch.setattr(scan_codes, "has_code", asked)
    monkeypatch.setattr(scan_codes, "sleep", lambda _: None)

    for number, most in ((3_000, 0), (200, 2 * scan_codes.LOOKS)):
        monkeypatch.setattr(scan_codes.sessions, "sids_at", lambda _, number=number: [*map(str, range(number))])
        assert scan_codes.waiting_sid("10.0.0.7", own="") == ""
        assert asked.call_count <= most


def test_the_old_name_without_sid_takes_no_classmates_socket(api, qr, monkeypatch):
    monkeypatch.setattr(scan_codes, "sleep", lambda _: None)
    wang = Screen("127.0.0.1")
    state = qr(wang)
    assert api.get("/users/getScancode").json() == NO_SID
    assert scan_codes.is_open(state), "and his code stays"

    li = Screen("127.0.0.1")
    for places in (2, 1):  # the second may find none
        answers = list[Any]()
        sleeps = iter([lambda: answers.append(api.get("/users/getScancode").json())])
        with monkeypatch.context() as both:
            both.setattr(scan_codes, "_places", BoundedSemaphore(places))
            both.setattr(scan_codes, "sleep", lambda _: next(sleeps, int)())
            answers.append(api.get("/users/getScancode").json())
        assert answers == [NO_SID, NO_SID], "two at one address ask at once: whose it is cannot be told"
    zhao = Screen("127.0.0.1")
    assert api.get("/users/getScancode").json() == NO_SID, "two wait"
    zhao.leave()
    monkeypatch.setattr(scan_codes, "_places", BoundedSemaphore(1))
    with scan_codes._places:
        assert api.get("/users/getScancode").json() == NO_SID, "no place is free"
    assert all(api.get("/users/getScancode").json()["state"] for _ in range(2)) and scan_codes.has_code(li.sid)


# --- The phone ---------------------------------------------------------------------------------------


def test_a_scan_reaches_the_screen_that_showed_the_code_and_no_other(qr, scan):
    mine, other = Screen(), Screen()
    state, others = qr(mine), qr(other)

    answer = scan(code="0a-B_c", state=state)

    assert answer.json() == {"status": 200, "state": True, "msg": "已扫码"}
    scanned = {"status": 200, "state": True, "msg": "已扫码", "wechatCode": "0a-B_c"}
    assert (mine.events, other.events) == ([("scancodeSuccess", scanned)], [])
    # A person gets a page that works without JavaScript.
    page = scan(HTML, code="c", state=others)
    text = page.content.decode()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "欢迎" in text and 'lang="zh-CN"' in text and "width=device-width" in text
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")


def test_of_many_phones_at_the_same_instant_one_wins(qr, screen):
    state = qr(screen)

    def scanned(code):
        scan_codes.code_scanned(state=state, wechat_code=code)
        return code

    outcomes = at_once([partial(scanned, f"c{number}") for number in range(16)], refusals=(CodeInvalid,))

    [winner] = [code for code in outcomes if isinstance(code, str)]
    assert [event[1]["wechatCode"] for event in screen.events] == [winner]


@pytest.mark.parametrize("code", ["a b", "a" * 513, "代码", "a\x00b", None])
def test_an_impossible_code_a_refusal_and_a_look_ahead_use_nothing_up(api, qr, scan, screen, code):
    state = qr(screen)
    query = {"state": state} | ({"code": code} if code else {})

    assert scan(**query).json()["state"] is False
    assert ("您取消了登入" in scan(HTML, **query).content.decode()) is (code is None)
    api.http.head("/users/wechatCallBack", {"code": "c", "state": state})

    assert screen.events == []
    assert scan(code="c", state=state).json()["state"] is True


def test_a_code_works_once_and_a_new_one_retires_it(api, qr, scan, screen, wechat):
    first, second = qr(screen), qr(screen)

    assert scan(code="c1", state=first).json() == INVALID
    assert wechat.calls == [], "only an open QR code makes us ask WeChat"
    assert scan(code="c2", state=second).json()["state"] is True
    for code in ("c2", "c3"):
        assert scan(code=code, state=second).json() == INVALID
    scan_codes.codes_expire()
    assert [name for name, _ in screen.events] == ["scancodeSuccess"]
    old_code = qr(screen)
    screen.leave()
    assert scan(code="c4", state=old_code).json() == INVALID
    assert api.get("/users/getQrcode", sid=screen.sid).json()["msg"] == "socket指定sid错误"


def test_tells_what_is_wrong_with_a_scan(scan):
    texts = {"": "没有传递state"} | dict.fromkeys(("unknown", "a" * 32, "é" * 32), "无效的二维码")
    for state, msg in texts.items():
        for code in ({"code": "c"}, {}):
            assert scan(state=state, **code).json() == {"status": 10004, "state": False, "msg": msg}
        page = scan(HTML, state=state, code="c")
        assert page.status_code == 200 and msg in page.content.decode()


def test_an_expired_code_does_not_work_and_is_told_once_however_many_look(qr, scan, screen, settings):
    qr(screen)
    scan_codes.codes_expire()
    assert screen.events == []
    settings.WECHAT_QR_TTL = timedelta(0)
    assert scan(code="c", state=qr(screen)).json() == INVALID

    at_once([expire_scan_codes] * 8)

    assert screen.events == [("invalidCode", INVALID)]
    assert not valkey.client().keys("spms:scan:code:*") and not valkey.client().exists("spms:scan:due")
    assert any(entry["task"] == expire_scan_codes.name for entry in settings.CELERY_BEAT_SCHEDULE.values())


# --- From the phone to the login ---------------------------------------------------------------------

TAP = "请轻触页面右下角的“使用完整服务”,并在弹窗中允许"
AGAIN = {"status": 10004, "state": False, "msg": "请重新扫码"}


def test_a_snapshot_page_uses_nothing_up_and_the_scan_goes_on_when_it_comes_back_whole(
    qr, scan, log_in, screen, wechat
):
    state = qr(screen)
    wechat.changes["access_token"] = {"is_snapshotuser": 1, "openid": "virtual"}

    page = scan(HTML, code=wechat.may("ghost"), state=state)
    answer = scan(code=wechat.may("ghost-2"), state=state).json()

    assert page.status_code == 200 and TAP in page.content.decode()
    assert answer == {"status": 10004, "state": False, "msg": TAP}
    assert screen.events == [] and "userinfo" not in wechat.calls
    for code in ("ghost", wechat.may("ghost-3")):
        assert log_in(code).json() == AGAIN
    assert not User.objects.exists()
    ghost = scan(HTML, code="ghost-2", state=state)
    assert ghost.status_code == 302 and f"&state={state}#" in ghost["Location"], "a phone with that code gets another"
    assert "/connect/oauth2/authorize?appid=" in ghost["Location"]

    wechat.changes.clear()
    scan(code=wechat.may("whole"), state=state)

    assert [event[1]["wechatCode"] for event in screen.events] == ["whole"]
    assert log_in("whole").json()["userInfo"]["nickname"] == "李小明"
    assert User.objects.get().openid == "o1"


def test_a_scan_waits_for_no_wechat_that_is_down_and_a_code_that_wechat_took_is_not_tried_again(
    qr, scan, log_in, screen, wechat
):
    wechat.trouble["access_token"] = DOWN
    scan(code=wechat.may("c"), state=qr(screen))
    assert len(screen.events) == 1 and log_in("c").status_code == 502
    wechat.trouble = {"userinfo": DOWN}
    calls = len(wechat.calls)
    assert log_in(wechat.may("taken")).json()["msg"] == "微信服务暂时不可用,请重新扫码"
    assert log_in("taken").json() == AGAIN and wechat.calls[calls:] == ["access_token", "userinfo"]
    wechat.trouble.clear()
    wechat.changes["userinfo"] = {"openid": "o-somebody-else"}
    assert log_in(wechat.may("c2")).status_code == 502 and not User.objects.exists()
    wechat.changes.clear()

    assert log_in("c").json()["state"] is True, "WeChat never got it"


def test_a_code_logs_in_once_and_wechat_is_asked_once(qr, scan, log_in, screen, wechat):
    for code, scans in (("c1", True), ("c2", False)):
        if scans:
            scan(code=wechat.may(code), state=qr(screen))
        assert log_in(wechat.may(code)).json()["state"] is True
        wechat.used.clear()  # even if WeChat forgets
        assert log_in(code).json() == AGAIN
    assert wechat.calls == ["access_token", "userinfo"] * 2
    assert LoginLog.objects.count() == 2


def test_a_first_login_makes_a_user_of_role_200_whose_odd_values_are_left_out(api, log_in, wechat):
    answer = log_in(wechat.may("c", nickname="小鹿🦌", unionid="u1")).json()

    user = User.objects.get()
    assert answer["permission"] == {"buttons": user.role.buttons}
    place = {"sex": "1", "city": "重庆", "province": "重庆", "country": "中国"}
    assert answer["userInfo"] == user_json(user, nickname="小鹿🦌", headimgurl="https://a.example/1.png", **place)
    assert api.get("/verify", token=answer["token"]).json()["decode"]["unid"] == user.unid
    assert (user.openid, user.unionid, user.wechat_appid) == ("o1", "u1", django_settings.WECHAT_APP_ID)
    assert not user.has_usable_password()
    assert LoginLog.objects.get().user == user
    odd = {"nickname": "甲\x00\n\u2028乙" + "长" * 100, "headimgurl": "javascript:alert(1)", "openid": "o2"}
    odd |= {"unionid": ["list"], "sex": {"no": 1}, "city": None, "province": 7}
    info = log_in(wechat.may("c2", **odd)).json()["userInfo"]
    user = User.objects.get(openid="o2")
    assert info["nickname"] == "甲乙" + "长" * 62
    assert (info["headimgurl"], user.unionid, user.sex, user.city, user.province) == ("", None, "", "", "")


def test_later_logins_bring_the_user_up_to_date_unless_he_is_disabled(log_in, wechat):
    log_in(wechat.may("c1"))
    log_in(wechat.may("c2", nickname="新名字", headimgurl="https://a.example/2.png"))
    info = log_in(wechat.may("c3", nickname="", headimgurl="")).json()["userInfo"]

    assert (info["nickname"], info["headimgurl"]) == ("新名字", "https://a.example/2.png")
    assert (User.objects.count(), LoginLog.objects.count()) == (1, 3)

    User.objects.update(is_active=False)
    answer = log_in(wechat.may("c4", nickname="换了名字")).json()
    assert answer == {"status": 0, "state": False, "msg": "账号已停用,请联系管理员"}
    assert (User.objects.get().nickname, LoginLog.objects.count()) == ("新名字", 3)


def test_knows_people_by_unionid_and_else_by_openid(log_in, wechat, settings):
    def unid(code, **person):
        return log_in(wechat.may(code, **person)).json()["userInfo"]["unid"]

    li = unid("c1", openid="o-li")
    assert unid("c2", openid="o-li", unionid="u-li") == li, "the app is told unionids now"
    wang = unid("c3", openid="o-wang", unionid="u-wang")
    settings.WECHAT_APP_ID = "wx-another-app"
    assert unid("c4", openid="o-li-2", unionid="u-li") == li, "the same person in another app"
    assert unid("c5", openid="o-li") not in (li, wang), "an openid of another app means nothing"
    assert User.objects.count() == 3


def test_a_missing_or_false_code_is_told_so_so_often_a_minute(log_in, monkeypatch):
    monkeypatch.setattr(scan_login, "LOGINS_A_MINUTE", 2)
    assert log_in("  ").json() == AGAIN | {"msg": "请传入wechatCode"}
    for code in ("x y", "x" * 600, "代码", "false", "false-2"):
        assert log_in(code).json() == AGAIN

    answer = log_in("false-3")  # only those that might be WeChat's count
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("call", ["access_token", "userinfo"])
@pytest.mark.parametrize(
    ("trouble", "http_status"),
    [
        (DOWN, 502),
        (SLOW, 504),
        (b"\xff\xfe", 502),
        (b"null", 502),
        (b"{}", 502),
        (b"[" * 50_000, 502),
        (b'{"errcode":40125,"errmsg":"invalid appsecret"}', 502),
        (b'{"errcode":{"a":1}}', 502),
        (b'{"access_token":1,"openid":["x"],"refresh_token":null,"expires_in":"x"}', 502),
    ],
)
def test_a_wechat_in_trouble_is_told_so(log_in, wechat, call, trouble, http_status, caplog):
    wechat.trouble[call] = trouble

    answer = log_in(wechat.may("the-code"))

    assert answer.status_code == answer.json()["status"] == http_status
    assert answer.json()["msg"].startswith("微信服务暂时不可用")
    assert not User.objects.exists()
    for secret in (django_settings.WECHAT_APP_SECRET, "the-code", "token-the"):
        assert secret not in caplog.text


# --- At the same instant -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("unionid", ["", "u1"])
def test_many_first_logins_at_once_make_one_user(roles, unionid):
    blank = dict.fromkeys(WechatProfile.__dataclass_fields__, "")
    profile = WechatProfile(**blank | {"appid": "a", "openid": "o", "unionid": unionid, "nickname": "李"})

    keys = at_once([lambda: scan_login.user_find_or_create(profile).pk] * 8)

    assert len(set(keys)) == 1
    assert User.objects.count() == 1


class Forgetful(set):
    """What a WeChat remembers that has not noticed yet that a code was used."""

    def __contains__(self, code):
        return False


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("is_marked", [True, False], ids=["marked", "twin"])
@pytest.mark.parametrize("way", ["scan", "callback", "mini program"])
def test_of_many_with_one_code_at_once_one_wins(wechat, settings, monkeypatch, way, is_marked):
    """The twin: WeChat's answer alone decides."""
    settings.WECHAT_MINI_APP_ID, settings.WECHAT_MINI_APP_SECRET = "wx-mini", "mini-secret"
    wechat.used = Forgetful()
    if not is_marked:
        monkeypatch.setattr(scan_login, "_spend", lambda code: None)
    context = LoginContext(method=LoginMethod.WECHAT, ip="10.0.0.1", now=timezone.now())
    ways = {
        "scan": partial(scan_login.wechat_verify, context=context),
        "callback": scan_login.profile_keep,
        "mini program": partial(scan_login.mini_verify, nickname="", headimgurl="", context=context),
    }

    outcomes = at_once([partial(ways[way], code=wechat.may("c"))] * 6, refusals=(WechatCodeSpent,))

    assert [isinstance(one, WechatCodeSpent) for one in outcomes].count(False) == (1 if is_marked else 6)
