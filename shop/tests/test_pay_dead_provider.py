"""Paying while WeChat Pay is dead: a clear 503 that may be repeated, and nothing half-written."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.upstreams import FAILURES
from payments.gateways.wechat import http
from payments.models import Payment
from shop.models import Order, OrderLog
from shop.services.order_expire import orders_sweep
from shop.tests.factories import make_order, make_product, stock_of

pytestmark = pytest.mark.django_db


def pay(client, order, **more):
    return client.post("/pay/payment", {"order_id": order.order_id, **more})


def payments():
    return Payment.objects.count()


@pytest.fixture
def dead(wechat, li):
    """WeChat Pay fails until calls to it are refused."""
    wechat.faults = [("unifiedorder", "page", 502)] * 2 * FAILURES
    for _ in range(FAILURES):
        pay(li, make_order(li.user))
    wechat.faults = []
    wechat.calls.clear()
    return wechat


def recover():
    http.UPSTREAM.rests_until = 0.0


def test_the_buyer_gets_a_503_at_once_that_says_when_to_come_back(li, dead):
    order = make_order(li.user)

    answer = pay(li, order)

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {"status": 503, "state": False, "msg": "微信支付暂时不可用,请稍后再试"}
    assert not dead.calls


def test_a_refused_payment_is_not_written_down_and_the_order_closes_in_time_though_nobody_can_be_asked(li, dead):
    product = make_product(stock=3)
    order = make_order(li.user, product)
    before = payments()

    for _ in range(3):
        pay(li, order)

    assert payments() == before
    deadline = order.expires_at
    order.refresh_from_db()
    assert order.expires_at == order.sweep_at == deadline
    assert order.payment_started_at is None and not OrderLog.objects.filter(order=order, event="发起支付").exists()
    Order.objects.exclude(pk=order.pk).update(sweep_at=deadline + timedelta(hours=1))
    orders_sweep(now=deadline)
    order.refresh_from_db()
    assert (order.state, stock_of(product), dead.calls) == ("closed", 3, [])


def test_the_same_request_works_once_the_provider_is_back(li, dead):
    order = make_order(li.user)
    assert pay(li, order).status_code == 503
    recover()

    assert pay(li, order).json()["msg"] == "OK"
    assert pay(li, make_order(li.user)).json()["msg"] == "OK"


def test_a_code_that_is_there_already_needs_no_provider(li, wechat):
    order = make_order(li.user)
    code = pay(li, order).json()["code_url"]
    wechat.faults = [("unifiedorder", "page", 502)] * 2 * FAILURES
    for _ in range(FAILURES):
        pay(li, make_order(li.user))
    assert pay(li, make_order(li.user)).status_code == 503

    assert pay(li, order).json()["code_url"] == code


def test_what_is_refused_for_the_orders_own_sake_is_told_as_ever(li, zhao, dead):
    order = make_order(li.user)
    li.get("/order/cancel", order_id=order.order_id)

    assert pay(li, order).json()["msg"] == "err 订单已取消"
    assert pay(zhao, order).json()["msg"] == "err 订单不存在"


def test_refusals_by_the_provider_do_not_count(li, wechat):
    wechat.faults = [("unifiedorder", "error", "NOAUTH", "商户无权限")] * 3 * FAILURES

    codes = [pay(li, make_order(li.user)).json().get("code") for _ in range(3 * FAILURES)]

    assert codes == ["NOAUTH"] * 3 * FAILURES


def test_the_sweeps_go_on_asking(li, dead):
    order = make_order(li.user)
    recover()
    pay(li, order)
    for _ in range(FAILURES):
        with_failure(dead, li)
    assert pay(li, make_order(li.user)).status_code == 503
    dead.calls.clear()

    Order.objects.exclude(pk=order.pk).update(sweep_at=timezone.now() + timedelta(hours=1))
    orders_sweep(now=timezone.now() + timedelta(minutes=10))

    order.refresh_from_db()
    assert order.state == "closed" and dead.calls


def with_failure(wechat, li):
    wechat.faults = [("unifiedorder", "page", 502)] * 2
    pay(li, make_order(li.user))


def test_a_try_that_leaves_too_little_time_is_not_followed_by_another(li, wechat, monkeypatch):
    monkeypatch.setattr("payments.services.start.ANSWER_S", 1.5)
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.1)
    wechat.faults = [("unifiedorder", "slow", 1), ("unifiedorder", "of the second try")]

    answer = pay(li, make_order(li.user))

    assert (answer.status_code, wechat.faults) == (504, [("unifiedorder", "of the second try")])


def test_a_cancellation_while_the_provider_is_dead_is_kept_and_answered_at_once(li, dead):
    order = make_order(li.user)
    recover()
    pay(li, order)
    for _ in range(FAILURES):
        with_failure(dead, li)
    dead.calls.clear()

    body = li.get("/order/cancel", order_id=order.order_id).json()

    order.refresh_from_db()
    assert (body["state"], order.closing, dead.calls) == (False, "cancel", [])
