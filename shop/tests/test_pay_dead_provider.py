"""Paying while WeChat Pay is dead: a clear 503 that may be repeated, and nothing half-written."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.upstreams import FAILURES
from payments.gateways.wechat import http
from payments.models import Payment
from shop.models import Order
from shop.services.order_close import orders_sweep
from shop.tests.factories import make_order, make_product, stock_of

pytestmark = pytest.mark.django_db


def pay(client, order, **more):
    return client.post("/pay/payment", {"order_id": order.order_id, **more})


def die(wechat, li):
    """Let WeChat Pay fail until calls to it are refused."""
    wechat.faults = [("unifiedorder", "page", 502)] * 2 * FAILURES
    for _ in range(FAILURES):
        pay(li, make_order(li.user))
    wechat.faults = []
    wechat.calls.clear()


@pytest.fixture
def dead(wechat, li):
    die(wechat, li)
    return wechat


def test_the_buyer_gets_a_503_at_once_that_says_when_to_come_back_and_nothing_is_written_down(li, zhao, dead):
    product = make_product(stock=3)
    order, cancelled = make_order(li.user, product), make_order(li.user)
    li.get("/order/cancel", order_id=cancelled.order_id)
    before, deadline = Payment.objects.count(), order.expires_at

    answer = [pay(li, order) for _ in range(3)][-1]

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {"status": 503, "state": False, "msg": "微信支付暂时不可用,请稍后再试"}
    # What is refused for the order's own sake is told as ever.
    assert pay(li, cancelled).json()["msg"] == "err 订单已取消" and pay(zhao, order).json()["msg"] == "err 订单不存在"
    order.refresh_from_db()
    assert order.expires_at == order.sweep_at == deadline and order.payment_started_at is None
    assert Payment.objects.count() == before and not order.logs.filter(event="发起支付").exists()
    # The order closes in time, though nobody can be asked.
    Order.objects.filter(state="open").exclude(pk=order.pk).update(sweep_at=deadline + timedelta(hours=1))
    orders_sweep(now=deadline)
    order.refresh_from_db()
    assert (order.state, stock_of(product), dead.calls) == ("closed", 3, [])


def test_a_started_payment_stays_usable_a_cancellation_is_kept_and_the_sweeps_go_on_asking(li, wechat):
    orders = kept, cancelled = make_order(li.user), make_order(li.user)
    codes = [pay(li, order).json()["code_url"] for order in orders]
    die(wechat, li)
    assert pay(li, make_order(li.user)).status_code == 503

    assert pay(li, kept).json()["code_url"] == codes[0]
    assert li.get("/order/cancel", order_id=cancelled.order_id).json()["state"] is False
    cancelled.refresh_from_db()
    assert (cancelled.closing, wechat.calls) == ("cancel", [])

    Order.objects.exclude(pk__in=[order.pk for order in orders]).update(sweep_at=timezone.now() + timedelta(hours=1))
    orders_sweep(now=timezone.now() + timedelta(minutes=10))

    assert [Order.objects.get(pk=order.pk).state for order in orders] == ["closed", "cancelled"] and wechat.calls


def test_a_try_that_leaves_too_little_time_is_not_followed_by_another(li, wechat, monkeypatch):
    monkeypatch.setattr("payments.services.start.ANSWER_S", 1.5)
    monkeypatch.setattr(http, "TOTAL_TIMEOUT_S", 0.1)
    wechat.faults = [("unifiedorder", "slow", 1), ("unifiedorder", "of the second try")]

    answer = pay(li, make_order(li.user))

    assert (answer.status_code, wechat.faults) == (504, [("unifiedorder", "of the second try")])
