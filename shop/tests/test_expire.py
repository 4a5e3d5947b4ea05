"""The sweep: on time, once, through outages, in any process."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from shop.models import Order, OrderLog
from shop.order_states import Event
from shop.services import order_close as closing
from shop.services.order_close import CLAIM, order_close, order_try_close, orders_sweep
from shop.tests.factories import make_order, make_product, start_payment, stock_of

pytestmark = pytest.mark.django_db


def overdue(buyer, product, *, started=False, by=timedelta(seconds=1), quantity=1):
    """An order whose time was over ``by`` ago."""
    order = make_order(buyer, product, quantity)
    if started:
        start_payment(order)
    at = timezone.now() - by
    Order.objects.filter(pk=order.pk).update(expires_at=at, sweep_at=at)
    return order


def sweep(after=timedelta()):
    return orders_sweep(now=timezone.now() + after)


def states():
    return list(Order.objects.order_by("pk").values_list("state", flat=True))


def test_closes_what_is_overdue_at_its_deadline_and_leaves_the_rest(li):
    product = make_product(stock=10)
    order = make_order(li.user, product, 2)
    deadline = order.created_at + settings.ORDER_TTL
    make_order(li.user, product, 3, now=deadline)

    assert orders_sweep(now=deadline - timedelta(microseconds=1)) == 0
    assert orders_sweep(now=deadline) == 1
    assert (states(), stock_of(product)) == (["closed", "open"], 7)
    log = OrderLog.objects.filter(order=order).last()
    assert (log.actor, log.event, log.from_state, log.to_state) == ("系统", "超时关闭", "open", "closed")
    assert (orders_sweep(now=deadline), stock_of(product)) == (0, 7)


@pytest.mark.parametrize(
    ("is_paid", "expected"), [(False, ("closed", 3)), (True, ("paid", 2))], ids=["unpaid", "paid, though not notified"]
)
def test_closes_a_started_payment_at_the_provider_first(li, wechat, is_paid, expected):
    product = make_product(stock=3)
    order = overdue(li.user, product, started=True)
    if is_paid:
        wechat.pay(order.order_id)

    sweep()

    assert (*states(), stock_of(product)) == expected
    if not is_paid:
        assert wechat.orders[order.order_id]["state"] == "CLOSED"


def test_a_silent_provider_keeps_the_stock_and_is_asked_later_and_later(li, wechat):
    product = make_product(stock=3)
    order = overdue(li.user, product, started=True)
    wechat.is_down = True
    now = timezone.now()

    waits = []
    for _ in range(7):
        orders_sweep(now=now)
        order.refresh_from_db()
        waits.append(order.sweep_at - now)
        now = order.sweep_at

    assert waits == [timedelta(seconds=s) for s in (2, 4, 8, 16, 30, 30, 30)]
    assert (states(), stock_of(product)) == (["open"], 2)
    assert OrderLog.objects.filter(order=order, event="等待关单").count() == 1

    wechat.is_down = False
    orders_sweep(now=now)
    assert (states(), stock_of(product)) == (["closed"], 3)


def test_what_needs_no_provider_comes_first_and_what_it_did_not_close_before_last(li, wechat):
    product = make_product(stock=10)
    again, fresh = (overdue(li.user, product, started=True, by=timedelta(seconds=9)) for _ in range(2))
    Order.objects.filter(pk=again.pk).update(close_attempts=1)
    unpaid = overdue(li.user, product)

    sweep()

    closed = OrderLog.objects.filter(event="超时关闭").order_by("pk")
    assert [log.order_id for log in closed] == [unpaid.pk, fresh.pk, again.pk]


@pytest.mark.parametrize("is_claimed", [True, False], ids=["claimed", "twin"])
def test_an_order_that_one_sweep_waits_for_is_not_asked_about_by_another(li, wechat, monkeypatch, is_claimed):
    overdue(li.user, make_product(), started=True)
    close, others = closing.payment_close, []
    if not is_claimed:
        monkeypatch.setattr(closing, "CLAIM", timedelta())

    def slow(**facts):
        if not others:
            others.append(0)
            others.append(sweep())
        return close(**facts)

    monkeypatch.setattr(closing, "payment_close", slow)
    sweep()

    assert (others[-1], wechat.called("query"), states()) == (0 if is_claimed else 1, 1, ["closed"])


def test_one_broken_order_delays_no_other(li, monkeypatch):
    product = make_product(stock=10)
    broken = overdue(li.user, product, by=timedelta(seconds=9))
    overdue(li.user, product)
    try_close = closing._close_or_wait
    monkeypatch.setattr(
        closing, "_close_or_wait", lambda order, *rest: 1 / 0 if order.pk == broken.pk else try_close(order, *rest)
    )

    sweep()

    broken.refresh_from_db()
    assert states() == ["open", "closed"] and broken.sweep_at > timezone.now()


def test_a_payment_started_in_time_saves_the_order_from_a_sweep_that_had_chosen_it(li, wechat):
    order = overdue(li.user, make_product(), started=True)
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() + timedelta(minutes=1))

    settled = order_try_close(order_pk=order.pk, now=timezone.now())

    assert (settled.state, settled.sweep_at) == ("open", settled.expires_at)


def test_what_a_killed_process_had_begun_passes_to_the_next_sweep(li, wechat, monkeypatch):
    product = make_product(stock=3)
    order = make_order(li.user, product)
    start_payment(order)
    overdue(li.user, make_product(), started=True)

    def killed(**_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(closing, "payment_close", killed)
        with pytest.raises(SystemExit):
            order_close(order_id=order.order_id, event=Event.INVALIDATE, actor="wang", now=timezone.now())
        with pytest.raises(SystemExit):
            sweep()

    assert (sweep(), states()) == (0, ["open", "open"])
    assert (sweep(CLAIM), states(), stock_of(product)) == (2, ["invalid", "closed"], 3)
    log = OrderLog.objects.filter(order=order).last()
    assert (log.actor, log.event) == ("wang", "作废")
