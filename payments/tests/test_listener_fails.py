"""A listener that fails loses no money: it is recorded, told again, given back at last, and staff see it meanwhile."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from payments.listener import PaidOutcome, listener
from payments.models import InboundEvent, ListenerFailure, Payment, PaymentStatus, Refund
from payments.services import listener_retry
from payments.services.listener_call import PAUSES
from payments.services.listener_retry import listener_retell, listener_retell_due
from payments.tests.conftest import post_v3
from shop.services.order_close import orders_sweep
from shop.services.order_pay import order_pay
from shop.services.order_refund import order_refund
from shop.tests.factories import make_order, make_product, notify, phone_pays, run_refunds, stock_of
from tests.kit import at_once, listener_replaced, meeting

pytestmark = pytest.mark.django_db


def fail(**_):
    Payment.objects.update(description="half done")
    raise OverflowError("date value out of range")


@contextmanager
def failing(*names):
    """Make functions of the real listener raise."""
    with listener_replaced(replace(listener(), **dict.fromkeys(names, fail))):
        yield


@pytest.fixture
def product():
    return make_product(stock=5)


@pytest.fixture
def order(person, wechat, product):
    """Li's order of two out of five pieces, with a started payment."""
    li = person("li").user
    order = make_order(li, product, 2)
    now = timezone.now()
    order_pay(order_id=order.order_id, buyer_pk=li.pk, trade_type="NATIVE", client_ip="::1", now=now)
    return order


def is_shown(office, order):
    """Return whether the list 异常 and the dashboard show the order's trouble."""
    page = office.get("/admin/shop/order/?work=trouble").content.decode()
    assert ("款项未入账" in office.get("/admin/").content.decode()) == (order.order_id in page)
    return order.order_id in page and "OverflowError" in page


@pytest.mark.parametrize("names", [("on_paid",), ("lock", "describe", "is_ours")], ids=str)
def test_a_payment_is_recorded_seen_and_booked_once_the_listener_works(order, wechat, office, names):
    with failing(*names):
        phone_pays(wechat, order.order_id)  # acknowledged
        notify(wechat, order.order_id)
        payment = Payment.objects.get()
        assert (payment.state, payment.description == "half done") == (PaymentStatus.PAID, False)
        assert is_shown(office, order)
        assert office.get(f"/admin/payments/payment/{payment.pk}/change/").status_code == 200
    assert set(InboundEvent.objects.values_list("verdict", flat=True)) == {"accepted"}

    listener_retell_due(now=timezone.now() + PAUSES[0])

    order.refresh_from_db()
    assert (order.state, order.transaction_id) == ("paid", payment.transaction_id)
    assert not ListenerFailure.objects.exists() and not is_shown(office, order)


def test_a_payment_that_no_try_can_book_goes_back_and_its_order_closes(order, wechat, office, product):
    now = timezone.now()
    with failing("on_paid"):
        phone_pays(wechat, order.order_id)
        for pause in PAUSES:
            orders_sweep(now=now)
            assert not Refund.objects.exists() and stock_of(product) == 3
            now += pause + timedelta(seconds=1)
            listener_retell_due(now=now)

    run_refunds()
    orders_sweep(now=now + timedelta(minutes=5))

    refund = Refund.objects.get()
    assert (refund.amount_fen, refund.payment.state) == (order.total_fen, PaymentStatus.STRAY)
    assert refund.payment.logs.filter(event="订单未能入账").count() == 1
    order.refresh_from_db()
    assert order.state == "closed" and stock_of(product) == 5
    assert not ListenerFailure.objects.exists()


@pytest.mark.parametrize("names", [("on_refund_changed",), ("lock", "on_refund_changed")], ids=str)
def test_a_refund_is_recorded_seen_and_booked_later(order, wechat, office, names):
    phone_pays(wechat, order.order_id)
    order_refund(order_id=order.order_id, actor="root", now=timezone.now())
    refund = Refund.objects.get()
    with failing(*names):
        run_refunds()
        assert post_v3(*wechat.refund_notice_v3(refund.out_refund_no)).status_code == 200
        assert is_shown(office, order)
    refund.refresh_from_db()
    assert refund.state == "success"

    listener_retell_due(now=timezone.now() + sum(PAUSES, timedelta()))

    order.refresh_from_db()
    assert order.state == "refunded" and not ListenerFailure.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "twin"])
def test_two_sweeps_at_the_same_instant_book_it_once(order, wechat, monkeypatch, is_locked):
    with failing("on_paid"):
        phone_pays(wechat, order.order_id)
    failure, calls, now = ListenerFailure.objects.get(), [], timezone.now() + PAUSES[0]
    meet = meeting(4)

    def on_paid(**facts):
        calls.append(facts["out_trade_no"])
        meet()
        return PaidOutcome.ACCEPTED

    if not is_locked:
        monkeypatch.setattr(listener_retry, "lock_payment", lambda number: Payment.objects.get(out_trade_no=number))
    with listener_replaced(replace(listener(), lock=lambda **_: order.total_fen, on_paid=on_paid)):
        at_once([lambda: listener_retell(failure, now)] * 4)

    assert len(calls) == (1 if is_locked else 4)
