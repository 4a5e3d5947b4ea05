"""The back office's login: the API's limits, no trace lost, sessions that end."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import LoginLog, User
from accounts.services import login
from accounts.tests.entering import PASSWORD
from core.cache import valkey

pytestmark = pytest.mark.django_db
LOGIN, HOME = "/admin/login/", "/admin/"
NO_ENTRY = "用户名或密码错误，或者没有后台权限"
TRIES = [("wang", "wrong"), ("a-typed-password", "x"), ("trainee", PASSWORD), ("gone", PASSWORD), ("wang", PASSWORD)]


@pytest.fixture
def wang(person):
    return person("wang", "103", is_staff=True)


@pytest.fixture
def browser():
    return Client(REMOTE_ADDR="10.0.0.1", HTTP_USER_AGENT="Firefox")


def attempt(browser, password=PASSWORD, username="wang", **caller):
    return browser.post(LOGIN, {"username": username, "password": password}, **caller)


def is_inside(browser):
    return browser.get(HOME).status_code == 200


def reason(answer):
    return " ".join(answer.context["form"].non_field_errors())


class TestGuessing:
    @pytest.mark.usefixtures("few_guesses")
    def test_counts_together_with_guesses_at_the_api_and_a_captcha_takes_the_place_of_waiting(self, wang, api):
        owner, browser = Client(REMOTE_ADDR="10.0.0.1"), Client(REMOTE_ADDR="10.0.0.1")
        attempt(owner)
        owner.post("/admin/logout/")
        api.http.defaults["REMOTE_ADDR"] = "10.0.0.1"
        for _ in range(2):
            assert reason(attempt(browser, "wrong")) == NO_ENTRY
            api.post("/users/login", {"username": "wang", "password": "wrong"})
        page = attempt(browser)  # the right password
        assert api.post("/users/login", {"username": "wang", "password": PASSWORD}).status_code == 429
        assert attempt(owner).status_code == 302, "a browser that logged in before is counted by itself"
        assert re.fullmatch(r"登录失败次数过多，请 \d+ 秒后再试，或者填写图形验证码", reason(page))

        def solve(page, password, answer=None):
            [key] = re.findall(r'name="captcha_key" value="(\w+)"', page.content.decode())
            answer = answer or valkey.client().get(f"spms:captcha:{key}").decode()
            fields = {"username": "wang", "password": password, "captcha_key": key, "captcha": answer}
            return browser.post("/admin/login/", fields)

        page = solve(page, PASSWORD, "wrong")
        assert "图形验证码" in reason(page)
        page = solve(page, "wrong")
        assert reason(page) == NO_ENTRY
        assert solve(attempt(browser), PASSWORD).status_code == 302
        assert is_inside(browser)


def test_each_refusal_is_counted_and_logged_without_the_name_and_the_log_of_logins_is_the_apis_own(
    browser, wang, person, api, refusals, caplog
):
    caplog.set_level("INFO")
    person("trainee")
    person("gone", "103", is_staff=True, is_active=False)
    for username, password in TRIES:
        page = attempt(browser, password, username)
        assert page.status_code == 302 or reason(page) == NO_ENTRY, "a guesser learns nothing"
    for username, password in TRIES[:2]:
        api.post("/users/login", {"username": username, "password": password})

    office = dict.fromkeys([("office", outcome) for outcome in ("wrong", "unknown", "no_staff", "disabled")], 1)
    assert refusals() == office | {("api", "wrong"): 1, ("api", "unknown"): 1}
    assert caplog.text.count("login refused") == 6 and "10.0.0.1" in caplog.text
    assert "a-typed-password" not in caplog.text, "people type passwords into that field"
    assert wang.get("/getloginlog").json()["data"] == []
    assert not LoginLog.objects.exists(), "it holds successes alone"


class TestTheSession:
    def test_is_a_new_one_after_each_login_and_ends_after_12_hours_whatever_was_done_in_it(self, browser, wang):
        session = browser.session
        session["planted"] = 1
        session.save()
        browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key

        keys = [session.session_key]
        for _ in range(2):
            attempt(browser)
            keys.append(browser.session.session_key)

        assert len(set(keys)) == 3
        assert not type(session)(keys[0]).exists(keys[0]) and not type(session)(keys[1]).exists(keys[1])
        assert browser.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 12 * 3600
        started = timezone.now()

        for hours, expected in ((11.9, True), (12.1, False)):
            session = browser.session
            session["logged_in_at"] = (started - timedelta(hours=hours)).timestamp()
            session.save()  # whatever is done in it: the clock of its row starts anew
            assert is_inside(browser) is expected

    @pytest.mark.usefixtures("few_guesses")
    def test_stays_where_the_password_was_changed_and_the_old_one_cannot_be_guessed_there(self, browser, wang):
        elsewhere = Client()
        attempt(browser), attempt(elsewhere)
        new = {"new_password1": "another-Password-7", "new_password2": "another-Password-7"}

        answer = browser.post("/admin/password_change/", {"old_password": PASSWORD, **new})

        assert answer.status_code == 302
        assert (is_inside(browser), is_inside(elsewhere)) == (True, False)
        for _ in range(login.PAIR_LIMIT):
            page = browser.post("/admin/password_change/", {"old_password": "wrong", **new})
            assert page.context["form"].errors["old_password"] == ["密码错误"]
        page = browser.post("/admin/password_change/", {"old_password": "another-Password-7", **new})
        assert "次数过多" in page.context["form"].errors["old_password"][0]

    def test_ends_with_the_right_to_enter_and_has_the_rights_of_the_present_role(self, browser, root, roles):
        attempt(browser, username="root")
        assert browser.get("/admin/permissions/role/").status_code == 200

        User.objects.filter(pk=root.user.pk).update(role=roles["103"])
        assert browser.get("/admin/permissions/role/").status_code == 403
        User.objects.filter(pk=root.user.pk).update(is_staff=False)
        assert not is_inside(browser)


def test_a_user_who_is_sent_back_to_the_login_reads_why(browser):
    page = "/admin/students/student/"
    assert "登录已过期" not in browser.get(LOGIN, {"next": page}).content.decode()

    browser.get(LOGIN)  # leaves the cookie that outlives a session
    assert "登录已过期" in browser.get(page, follow=True).content.decode()
    assert "登录已过期" not in browser.get(HOME, follow=True).content.decode()
