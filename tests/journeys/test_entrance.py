"""The back office's entrance in a browser: guesses that are refused, a phone's code, the password before a refund."""

import re
import time
from base64 import b32decode

import pytest
import requests
from django_otp.oath import TOTP

from accounts.services.login_captcha import PAIR_LIMIT
from tests.journeys.browser import log_in
from tests.journeys.installation import Caller

pytestmark = pytest.mark.chromium
PASSWORD = "a-good-Password-7"
STAFF = """
from accounts.models import User
from permissions.models import Role
User.objects.create_user("{name}", "{password}", role=Role.objects.get(roleid="103"), is_staff=True)
"""
AN_HOUR_LATER = """
from django.contrib.sessions.backends.cached_db import SessionStore
from django.contrib.sessions.models import Session
for row in Session.objects.all():
    session = SessionStore(row.session_key)
    if "password_given_at" in session:
        session["password_given_at"] -= 3600
        session.save()
"""


def try_to_log_in(page, name, password, path="/admin/login/"):
    page.goto(path)
    page.get_by_label("用户名").fill(name)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="登录").click()


def test_a_guesser_is_told_to_wait(page, running):
    running.shell(STAFF.format(name="xiaoli", password=PASSWORD))
    try_to_log_in(page, "xiaoli", "wrong")
    page.get_by_text("用户名或密码错误，或者没有后台权限").wait_for()

    for _ in range(PAIR_LIMIT - 1):  # a script guesses faster, and it counts together
        guess = {"username": "xiaoli", "password": "wrong"}
        assert requests.post(f"{running.base}/users/login", guess, timeout=10).json()["state"] is False
    try_to_log_in(page, "xiaoli", PASSWORD)
    assert re.search(r"登录失败次数过多，请 \d+ 秒后再试", page.locator("body").inner_text())

    log_in(page, "root", running.root_password)  # who has come from here before does not wait for others
    page.goto("/admin/accounts/loginattempt/?q=xiaoli")
    assert "密码错误" in page.locator("#result_list").inner_text()


def test_a_phone_is_enrolled_and_its_codes_let_in(page, running):
    running.shell(STAFF.format(name="dayu", password=PASSWORD))
    log_in(page, "dayu", PASSWORD)
    page.goto("/admin/")
    page.locator("[x-on\\:click*=openUserLinks]").click()
    page.get_by_role("link", name="动态验证码").click()
    assert page.get_by_role("img", name="绑定用的二维码").evaluate("image => image.naturalWidth") > 20
    clock = TOTP(b32decode(page.locator("code").inner_text().replace(" ", "")))

    def code(half_minutes=0):
        clock.time = time.time() + 30 * half_minutes
        return f"{clock.token():06}"

    page.get_by_label("手机上显示的 6 位数字").fill(code())
    page.get_by_role("button", name="绑定").click()
    paper = page.locator(".en-codes li").all_inner_texts()
    assert len(paper) == 10

    page.context.clear_cookies()
    try_to_log_in(page, "dayu", PASSWORD)
    page.get_by_label("动态验证码").fill("000 000")
    page.get_by_role("button", name="继续").click()
    page.get_by_text("验证码不对,或者已经用过").wait_for()
    page.wait_for_timeout(1200)  # one wrong code makes the next one wait for a second
    page.get_by_label("动态验证码").fill(code(1))  # the one before is spent
    page.get_by_role("button", name="继续").click()
    page.get_by_role("heading", name="首页").first.wait_for()

    page.context.clear_cookies()
    try_to_log_in(page, "dayu", PASSWORD, "/admin/students/student/")
    page.get_by_label("动态验证码").fill(paper[0])
    page.get_by_role("button", name="继续").click()
    page.get_by_role("heading", name="学员").first.wait_for()
    assert page.url.endswith("/admin/students/student/")


def test_a_refund_an_hour_after_the_login_asks_for_the_password_and_goes_on(page, running):
    buyer = Caller(running.base)
    number = buyer.buy(phone="13922223333", address="重庆市渝中区 2 号")
    log_in(page, "root", running.root_password)
    page.goto(f"/admin/shop/order/?q={number}")
    page.locator("#result_list tbody a", has_text=number).first.click()
    running.shell(AN_HOUR_LATER)

    page.get_by_role("button", name="全额退款").click()
    page.get_by_text("你上次输入密码已经超过 1 小时").wait_for()
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button", name="继续").click()
    page.get_by_text("密码错误").wait_for()
    assert buyer.order(number)["state_text"] == "待发货"
    page.get_by_label("密码").fill(running.root_password)
    page.get_by_role("button", name="继续").click()
    page.get_by_label("说明或理由").fill("尺码不合适")
    page.get_by_role("button", name="确认全额退款").click()

    page.get_by_text("款项将原路退回").wait_for()
    page.get_by_text("尺码不合适").first.wait_for()
