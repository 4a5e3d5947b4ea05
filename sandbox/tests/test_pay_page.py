"""The phone page, as a browser without JavaScript uses it."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from sandbox.faults import faults_set
from sandbox.models import Trade, TradeState
from sandbox.pay.trades import trade_place
from sandbox.tests.conftest import EXPIRES

pytestmark = pytest.mark.django_db


@pytest.fixture
def code():
    draft = Trade(
        out_trade_no="20261124phone", trade_type="NATIVE", body="<b>耐克跑鞋</b>", total_fee=1205,
        notify_url="http://127.0.0.1:9/pay/payResult", expires_at=EXPIRES,
    )  # fmt: skip
    return trade_place(draft, now=timezone.now())


@pytest.fixture
def phone():
    return Client(enforce_csrf_checks=True)


def press(phone, page, action):
    """Press a button of the form that the page shows."""
    form = phone.get(page).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    assert token and f'value="{action}"' in form
    return phone.post(page, {"action": action, "csrfmiddlewaretoken": token[1]}, follow=True).content.decode()


def test_shows_amount_shop_and_goods_and_why_its_deadline_is_later(phone, code):
    page = phone.get(f"/sandbox/pay/{code.token}/")

    text = page.content.decode()
    assert "</small>12.05" in text
    assert "沙箱商户" in text
    assert "&lt;b&gt;耐克跑鞋&lt;/b&gt;" in text
    assert "no-store" in page["Cache-Control"]
    assert "可能更早关闭" in text


def test_cancelling_changes_nothing_and_paying_makes_the_order_paid_once(phone, code):
    page = f"/sandbox/pay/{code.token}/"
    assert phone.post(page, {"action": "pay"}).status_code == 403  # a foreign form
    assert "已取消支付" in press(phone, page, "cancel")
    assert Trade.objects.get().state == TradeState.NOTPAY

    assert "支付成功" in press(phone, page, "pay")

    phone.post(page, {"action": "pay", "csrfmiddlewaretoken": phone.cookies["csrftoken"].value})  # once more

    assert "支付成功" in phone.get(page).content.decode()
    assert (Trade.objects.get().state, Trade.objects.get().deliveries.count()) == (TradeState.SUCCESS, 1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"state": TradeState.CLOSED}, "订单已关闭"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "二维码已过期"),
    ],
)
def test_an_ended_code_needs_the_fault_to_be_paid(client, code, change, text):
    Trade.objects.update(**change)
    page = f"/sandbox/pay/{code.token}/"

    assert text in client.get(page).content.decode()
    client.post(page, {"action": "pay"})
    assert not Trade.objects.get().is_paid

    faults_set(changes={"pay_after_expiry": True})
    client.post(page, {"action": "pay"})
    assert Trade.objects.get().state == TradeState.SUCCESS


def test_the_page_is_found_by_its_names_and_an_unknown_code_is_a_clear_404(client, code):
    for query in ({"code_url": code.code_url}, {"prepay_id": code.prepay_id}):
        assert client.get("/sandbox/pay/", query)["Location"] == f"/sandbox/pay/{code.token}/"
    page = client.get("/sandbox/").content.decode()
    assert f"http://testserver/sandbox/pay/{code.token}/" in page and 'src="data:image/svg+xml' in page
    for query in ({}, {"code_url": "weixin://["}, {"code_url": "x?pr=\x00"}, {"prepay_id": "\x00"}):
        answer = client.get("/sandbox/pay/", query)
        assert (answer.status_code, "无法识别的支付码" in answer.content.decode()) == (404, True)
    for path in ("zzzzzzzzz", "%00"):
        assert client.get(f"/sandbox/pay/{path}/").status_code == 404
