"""Logging in by text message: what clients read, and how little guessing gains."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from accounts import sms
from accounts.errors import SmsCodeWrong, SmsNotSent
from accounts.models import LoginLog, LoginMethod
from accounts.services import sms_codes
from accounts.services.login import sms_verify
from accounts.services.login_records import LoginContext
from accounts.services.sms_codes import sms_code_send
from core.cache import valkey
from core.upstreams import BUSY_S
from tests.kit import at_once, envelope

pytestmark = pytest.mark.django_db
NUMBER = "13800000001"
NOT_ASKED = (10027, False, "先点击发送验证码")
WRONG = (10026, False, "验证码不正确")
UNKNOWN = (0, False, "这个手机号没有注册")


@pytest.fixture
def phone(monkeypatch):
    """The messages that went out, oldest first: (number, code)."""
    calls = []
    monkeypatch.setattr(sms_codes, "sms_send", lambda phone, values, **_: calls.append((phone, values["code"])))
    return calls


@pytest.fixture
def li(person):
    return person("li", "103", phone=NUMBER, is_phone_bound=True, nickname="李")


def ask(api, number=NUMBER):
    return api.post("/sms/send", {"phoneNumber": number})


def attempt(api, code, **more):
    return api.post("/users/login?type=sms", {"code": code, **more})


def other_than(code):
    return f"{(int(code) + 1) % 100000:05d}"


def solved(api):
    """Ask for a captcha, and look up what it shows."""
    key = api.get("/users/getCaptcha").json()["key"]
    return {"key": key, "captcha": valkey.client().get(f"spms:captcha:{key}").decode()}


@pytest.mark.usefixtures("phone")
class TestSending:
    def test_answers_what_clients_read(self, api, phone, person):
        li = person("li", "103", phone="13800000002", is_phone_bound=True)
        answer = ask(api)

        body = answer.json()
        assert len(body["key"]) == 32
        assert answer.cookies["sms"]["httponly"]
        ((number, code),) = phone
        assert number == NUMBER and len(code) == 5 and code.isdigit()
        status, state, msg = envelope(ask(api))
        assert (status, state, len(phone)) == (4003, False, 1) and msg.endswith("后再试"), "one a minute for a number"
        sent_body = ask(api, li.user.phone).json()
        assert sent_body | {"key": ""} == body | {"key": ""} and len(phone) == 2, "an unknown number is answered alike"

        for number in ("1380000000", "138000000011", "23800000001", "1380000000a", "１３８００００００００１", ["x"]):
            assert envelope(ask(api, number)) == (3004, False, "手机号格式不正确,请输入11位的大陆手机号")
        for nothing in ("", None):
            assert envelope(ask(api, nothing)) == (3004, False, "请输入手机号")
        assert len(phone) == 2

    def test_ten_a_day_for_one_number_and_an_address_has_a_limit_too(self, api, phone, monkeypatch):
        monkeypatch.setattr(sms_codes, "PER_NUMBER", sms_codes.PER_NUMBER[1:])
        monkeypatch.setattr(sms_codes, "FREE_PER_NUMBER", 10)
        assert [envelope(ask(api))[1] for _ in range(11)] == [True] * 10 + [False]
        assert len(phone) == 10

        monkeypatch.setattr(sms_codes, "PER_ADDRESS", (("hour", 13, 3600),))
        assert [envelope(ask(api, f"1390000000{n}"))[1] for n in range(5)] == [True, True, True, False, False]

    @pytest.mark.parametrize(("limit", "number"), [("FREE_PER_ADDRESS", "1390000000{}"), ("FREE_PER_NUMBER", NUMBER)])
    def test_the_first_need_no_captcha_and_later_ones_do(self, api, phone, monkeypatch, limit, number):
        monkeypatch.setattr(sms_codes, limit, 2)
        monkeypatch.setattr(sms_codes, "PER_NUMBER", sms_codes.PER_NUMBER[1:])
        first = [envelope(ask(api, number.format(n))) for n in range(3)]

        assert first == [(200, True, "OK"), (200, True, "OK"), (4003, False, "请先输入图形验证码")]
        body = {"phoneNumber": number.format(3)}
        assert envelope(api.post("/sms/send", body | solved(api) | {"captcha": "wrong"})) == (3004, False, "验证码错误")
        api.get("/users/verifyCaptcha", captcha=solved(api)["captcha"])  # as old clients do; the cookie does the rest
        assert envelope(api.post("/sms/send", body)) == (200, True, "OK")
        assert envelope(api.post("/sms/send", body))[1] is False

    def test_a_day_has_a_budget_whose_last_fifth_needs_a_captcha(self, api, phone, settings):
        settings.SMS_DAILY_BUDGET = 5

        answers = [envelope(ask(api, f"1390000000{n}"))[0] for n in range(5)]
        assert answers == [200, 200, 200, 200, 4003]
        assert envelope(api.post("/sms/send", {"phoneNumber": NUMBER} | solved(api))) == (200, True, "OK")
        used_up = (4003, False, "今天的短信已经发完,请明天再试,或用密码登入")
        assert envelope(api.post("/sms/send", {"phoneNumber": "13800000002"} | solved(api))) == used_up
        [(_, code)] = [row for row in phone if row[0] == NUMBER]
        assert envelope(attempt(api, code))[0] == 0  # a code that went out still counts: no user has this number

    def test_a_message_that_is_not_sent_costs_nothing(self, api, settings, monkeypatch):
        settings.SMS_DAILY_BUDGET = 5
        monkeypatch.setattr(sms_codes, "PER_ADDRESS", (("hour", 5, 3600),))

        def refuse(**_):
            raise SmsNotSent

        with monkeypatch.context() as patch:
            patch.setattr(sms_codes, "sms_send", refuse)
            for n in range(9):
                assert envelope(ask(api, f"1390000000{n}")) == (4003, False, "短信发送失败,请稍后再试")
            assert envelope(attempt(api, "12345")) == NOT_ASKED
        settings.UPSTREAM_CALLS = 0  # too many wait
        answer = ask(api)
        assert (envelope(answer), answer["Retry-After"]) == ((4003, False, "短信发送失败,请稍后再试"), str(BUSY_S))
        settings.UPSTREAM_CALLS = 6
        assert envelope(ask(api)) == (200, True, "OK")

    def test_of_many_at_once_one_goes_out(self, phone):
        send = partial(sms_code_send, phone=NUMBER, network="192.0.2.1", now=timezone.now())

        outcomes = at_once([send] * 8, refusals=(SmsNotSent,))

        assert len([key for key in outcomes if isinstance(key, str)]) == len(phone) == 1


class TestLogin:
    def test_answers_like_a_login_by_password_by_cookie_or_by_key_once(self, api, li, phone):
        key = ask(api).json()["key"]
        api.http.cookies.clear()
        for odd in ("", "x" * 32, "x" * 31 + "*", "中" * 32, "x" * 500):
            assert envelope(attempt(api, phone[0][1], key=odd)) == NOT_ASKED

        body = attempt(api, phone[0][1], key=key).json()

        by_password = api.post("/users/login", {"username": "li", "password": "a-password"}).json()
        assert body | {"token": ""} == by_password | {"token": ""}
        assert api.get("/verify", token=body["token"]).json()["decode"]["username"] == "li"
        assert LoginLog.objects.filter(user=li.user).count() == 2
        assert envelope(attempt(api, phone[0][1], key=key)) == WRONG, "it works once"

    def test_fewer_than_five_digits_cost_no_try_and_it_is_over_after_an_hour(self, api, li, phone):
        ask(api)

        for code in ("", "1234", None) * 2:
            assert envelope(attempt(api, code)) == (10025, False, "请传入5位验证码")
        assert envelope(attempt(api, phone[0][1]))[1] is True
        sent_at = timezone.now() - timedelta(minutes=61)
        key = sms_code_send(phone="13700000000", network="127.0.0.1", now=sent_at)
        assert envelope(attempt(api, phone[-1][1], key=key)) == WRONG

    @pytest.mark.django_db(transaction=True)
    def test_of_many_logins_at_once_one_gets_in(self, li, phone):
        now = timezone.now()
        key = sms_code_send(phone=NUMBER, network="192.0.2.1", now=now)

        def login():
            context = LoginContext(method=LoginMethod.SMS, ip="192.0.2.1", now=now)
            return sms_verify(key=key, code=phone[0][1], context=context)

        assert at_once([login] * 8, refusals=(SmsCodeWrong,)).count(li.user) == 1

    @pytest.mark.parametrize(("tries", "outcome"), [(4, (1, True, "登入成功")), (5, WRONG)])
    def test_five_wrong_tries_spend_it(self, api, li, phone, tries, outcome):
        ask(api)
        code = phone[0][1]

        for _ in range(tries):
            assert envelope(attempt(api, other_than(code))) == WRONG
        assert envelope(attempt(api, code)) == outcome

    def test_strangers_wrong_codes_refuse_no_right_one(self, api, li, phone, monkeypatch):
        monkeypatch.setattr(sms_codes, "FREE_PER_ADDRESS", 500)
        monkeypatch.setattr(sms_codes, "PER_ADDRESS", (("hour", 500, 3600),))
        for n in range(40):
            ask(api, f"139{n:08}")
            for _ in range(5):
                attempt(api, other_than(phone[-1][1]))

        ask(api)
        assert attempt(api, phone[-1][1]).json()["state"] is True

    @pytest.mark.parametrize(
        ("user", "outcome"),
        [
            ({"phone": "13800000009"}, UNKNOWN),
            ({"is_phone_bound": False}, UNKNOWN),
            ({"roleid": "1"}, UNKNOWN),
            ({"is_active": False}, (1007, False, "用户被禁用,请联系管理员")),
        ],
        ids=["of no user", "not proved", "root's", "disabled"],
    )
    def test_a_right_code_is_not_enough(self, api, person, phone, user, outcome):
        person("wang", **{"roleid": "103", "phone": NUMBER, "is_phone_bound": True} | user)
        ask(api)

        assert envelope(attempt(api, phone[0][1])) == outcome


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", ["", "sms_down", "SMS_TEMPLATE_CODE", "SMS_BASE_URL"])
def test_the_real_library_reaches_the_provider_or_says_that_nothing_was_sent(
    api, li, live_server, settings, monkeypatch, trouble
):
    """Over HTTP, to the stand-in that checks its signature."""
    settings.SMS_BASE_URL = f"{live_server.url}/sandbox/aliyun-sms"
    loaded_before, run_within = [], sms.run_within

    def noted(*args, **options):
        loaded_before.append(sms._library.cache_info().currsize)
        return run_within(*args, **options)

    monkeypatch.setattr(sms, "run_within", noted)
    sms._library.cache_clear()
    if trouble == "sms_down":
        api.http.post("/sandbox/control/faults", {trouble: True}, content_type="application/json")
    elif trouble:
        setattr(settings, trouble, {"SMS_BASE_URL": "http://127.0.0.1:9"}.get(trouble, "wrong"))

    answer = ask(api)

    assert loaded_before == [1], "loading the library takes nothing of the time for an answer"
    messages = api.http.get("/sandbox/sms/messages/").json()
    if trouble:
        assert (envelope(answer), messages) == ((4003, False, "短信发送失败,请稍后再试"), [])
    else:
        assert envelope(attempt(api, messages[0]["code"]))[1] is True
