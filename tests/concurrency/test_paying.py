"""Notifications, expiry, cancellation and polling of one order, all at the same instant."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payments.models import Payment, PaymentLog, Refund
from shop.models import Order, OrderLog
from shop.order_states import Event
from shop.services.order_close import orders_sweep
from shop.services.order_move import order_lock, order_move
from shop.tests.factories import make_order, make_product, pieces_out, stock_of
from tests.kit import at_once, during
from tests.processes import ask

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(web, wechat, buyers, roles):
    """Li's order of 2 out of 5 pieces with a started payment, and what a client needs to go on with it."""
    [(user, token)] = buyers(1)
    product = make_product(stock=5)
    order = make_order(user, product, 2)
    _, body = ask(web[0], "POST", "/pay/payment", {"order_id": order.order_id}, token)
    assert body["msg"] == "OK", body
    order.product, order.token = product, token
    return order


def v2(port, wechat, number):
    body = wechat.notice_v2(number)
    return lambda: ask(port, "POST", "/pay/payResult", body, **{"content-type": "text/xml"})


def v3(port, wechat, number):
    body, headers = wechat.notice_v3(number)
    return lambda: ask(port, "POST", "/pay/notify", body, **headers)


def get(port, path, order):
    return lambda: ask(port, "GET", path, {"order_id": order.order_id}, order.token)


def sweep():
    orders_sweep(now=timezone.now())


def storm(web, wechat, order):
    """50 notifications, and meanwhile cancellations, polls and sweeps."""
    notices = [(v2 if n % 2 else v3)(web[n // 2 % 2], wechat, order.order_id) for n in range(50)]
    others = [get(web[n % 2], "/order/cancel", order) for n in range(4)]
    others += [get(web[n % 2], "/order/query_order_status", order) for n in range(6)]
    return at_once([*notices, *others, *[sweep] * 3])


@pytest.mark.slow
@pytest.mark.parametrize("before", ["it has expired", "it is cancelled", "it is cancelled and its stock is gone"])
def test_50_notifications_among_expiry_cancellation_and_polls_count_once(web, wechat, order, root, before):
    past = timezone.now() - timedelta(seconds=1)
    if before == "it has expired":
        Order.objects.update(expires_at=past, sweep_at=past)
    else:
        get(web[0], "/order/cancel", order)()
        assert stock_of(order.product) == 5
    is_sold_out = before == "it is cancelled and its stock is gone"
    if is_sold_out:
        make_order(root.user, order.product, 5)
    wechat.pay(order.order_id)

    answers = storm(web, wechat, order)

    assert not [answer for answer in answers[:50] if answer[0] not in (200, 204)]
    order.refresh_from_db()
    state = "refunding" if is_sold_out else "paid"
    assert OrderLog.objects.filter(order=order, to_state=state).exclude(from_state=state).count() == 1
    if is_sold_out:
        assert (order.state in ("refunding", "refunded"), order.order_status) == (True, 2)
        assert (stock_of(order.product), pieces_out(order.product), Refund.objects.count()) == (0, 5, 1)
    else:
        assert (order.state, order.pay_status) == ("paid", 1)
        assert (stock_of(order.product), pieces_out(order.product), Refund.objects.count()) == (3, 2, 0)
    assert PaymentLog.objects.filter(event="支付成功").count() == 1
    if before == "it has expired":
        assert OrderLog.objects.filter(order=order).count() == 3  # placed, payment started, paid


def test_money_that_comes_while_the_order_closes_waits_and_takes_the_stock_again(web, wechat, order):
    wechat.pay(order.order_id)

    def cancel():
        order_move(order=order_lock(order_id=order.order_id), event=Event.CANCEL, actor="li", now=timezone.now())

    assert during(cancel, v2(web[0], wechat, order.order_id))[0] == 200

    order.refresh_from_db()
    assert (order.state, stock_of(order.product), pieces_out(order.product)) == ("paid", 3, 2)


def test_money_and_cancellation_at_once_end_in_one_of_two_ways(web, wechat, buyers):
    people = buyers(6)
    product = make_product(stock=6)
    for user, token in people:
        order = make_order(user, product)
        ask(web[0], "POST", "/pay/payment", {"order_id": order.order_id}, token)
        wechat_pays = lambda number=order.order_id: wechat.orders[number]["state"] == "NOTPAY" and wechat.pay(number)  # noqa: E731
        order.token = token

        at_once([wechat_pays, get(web[1], "/order/cancel", order), get(web[0], "/order/query_order_status", order)])

        if wechat.orders[order.order_id]["state"] == "SUCCESS":
            v2(web[0], wechat, order.order_id)()
        order.refresh_from_db()
        paid_there = wechat.orders[order.order_id]["state"] == "SUCCESS"
        assert order.state == ("paid" if paid_there else "cancelled")
    assert stock_of(product) + pieces_out(product) == 6


def test_eight_clicks_on_pay_make_one_payment_with_one_code(web, wechat, buyers):
    [(user, token)] = buyers(1)
    order = make_order(user)
    params = {"order_id": order.order_id}

    answers = at_once(lambda p=port: ask(p, "POST", "/pay/payment", params, token) for port in web * 4)

    assert len({body.get("code_url") for _, body in answers}) == 1, answers
    assert Payment.objects.count() == len(wechat.orders) == 1
