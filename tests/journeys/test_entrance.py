"""A refund long after the login asks for the password in between; accounts/tests has the rest of the entrance."""

import pytest

from tests.journeys.browser import log_in
from tests.journeys.installation import Caller

pytestmark = pytest.mark.chromium
AN_HOUR_LATER = """
from django.contrib.sessions.backends.cached_db import SessionStore
from django.contrib.sessions.models import Session
for row in Session.objects.all():
    session = SessionStore(row.session_key)
    if "password_given_at" in session:
        session["password_given_at"] -= 3600
        session.save()
"""


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
