"""The sweep: on time, once, through outages, whoever runs it."""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from shop.models import Order, OrderLog
from shop.services import order_expire
from shop.services.order_close import CLAIM, order_close, order_try_close
from shop.services.order_expire import MAX_AGAIN, orders_sweep
from shop.services.order_pay import order_pay
from shop.states import Event
from shop.tests.factories import make_order, make_product, stock_of

pytestmark = pytest.mark.django_db


def overdue(buyer, product, *, started=False, by=timedelta(seconds=1), quantity=1):
    """An order whose time was over ``by`` ago."""
    order = make_order(buyer, product, quantity)
    if started:
        order_pay(
            order_id=order.order_id,
            buyer_pk=buyer.pk,
            trade_type="NATIVE",
            client_ip="127.0.0.1",
            now=timezone.now(),
        )
    at = timezone.now() - by
    Order.objects.filter(pk=order.pk).update(expires_at=at, sweep_at=at)
    return order


def sweep(after=timedelta()):
    return orders_sweep(now=timezone.now() + after, closers=1)


def states():
    return list(Order.objects.order_by("pk").values_list("state", flat=True))


def test_closes_what_is_overdue_and_leaves_the_rest(li):
    product = make_product(stock=10)
    overdue(li.user, product, quantity=2)
    make_order(li.user, product, 3)

    assert sweep() == 1
    assert (states(), stock_of(product)) == (["closed", "open"], 7)
    log = OrderLog.objects.filter(order__state="closed").last()
    assert (log.actor, log.event, log.from_state, log.to_state) == ("系统", "超时关闭", "open", "closed")


def test_a_second_sweep_finds_nothing(li):
    product = make_product(stock=10)
    overdue(li.user, product)

    assert (sweep(), sweep(timedelta(hours=1)), stock_of(product)) == (1, 0, 10)


def test_an_order_is_closed_at_its_deadline_not_before(li):
    order = make_order(li.user)
    deadline = order.created_at + settings.ORDER_TTL

    assert orders_sweep(now=deadline - timedelta(microseconds=1), closers=1) == 0
    assert orders_sweep(now=deadline, closers=1) == 1


def test_catches_up_after_an_outage(li, wechat):
    product = make_product(stock=100)
    for number in range(60):
        overdue(li.user, product, started=number % 3 == 0, by=timedelta(hours=5))

    assert sweep() == 60
    assert (set(states()), stock_of(product)) == ({"closed"}, 100)


def test_closes_a_started_payment_at_the_provider_first(li, wechat):
    product = make_product(stock=3)
    order = overdue(li.user, product, started=True)

    sweep()

    assert [name for name, _ in wechat.calls[-2:]] == ["query", "close"]
    assert (wechat.orders[order.order_id]["state"], states(), stock_of(product)) == ("CLOSED", ["closed"], 3)


def test_finds_the_money_that_no_notification_told_of(li, wechat):
    product = make_product(stock=3)
    order = overdue(li.user, product, started=True)
    wechat.pay(order.order_id)

    sweep()

    assert (states(), stock_of(product)) == (["paid"], 2)


def test_a_silent_provider_keeps_the_stock_and_is_asked_later_and_later(li, wechat):
    product = make_product(stock=3)
    order = overdue(li.user, product, started=True)
    wechat.is_down = True
    now = timezone.now()

    waits = []
    for _ in range(7):
        orders_sweep(now=now, closers=1)
        order.refresh_from_db()
        waits.append(order.sweep_at - now)
        now = order.sweep_at

    assert waits == [timedelta(seconds=s) for s in (2, 4, 8, 16, 30, 30, 30)]
    assert (states(), stock_of(product)) == (["open"], 2)
    assert OrderLog.objects.filter(order=order, event="等待关单").count() == 1

    wechat.is_down = False
    orders_sweep(now=now, closers=1)
    assert (states(), stock_of(product)) == (["closed"], 3)


def test_a_silent_provider_holds_up_nobody_else(li, wechat):
    product = make_product(stock=10)
    for _ in range(3):
        overdue(li.user, product, started=True)
    overdue(li.user, product)
    wechat.is_down = True

    assert sweep() == 1
    assert states() == ["open", "open", "open", "closed"]


def test_one_broken_order_holds_up_nobody_else(li, monkeypatch):
    product = make_product(stock=10)
    broken = overdue(li.user, product, by=timedelta(seconds=9))
    overdue(li.user, product)
    try_close = order_expire.try_close_locked
    monkeypatch.setattr(
        order_expire,
        "try_close_locked",
        lambda order, *rest: 1 / 0 if order.pk == broken.pk else try_close(order, *rest),
    )

    sweep()

    broken.refresh_from_db()
    assert states() == ["open", "closed"] and broken.sweep_at > timezone.now()


def test_a_claim_of_a_killed_sweep_passes_to_the_next(li, wechat, monkeypatch):
    overdue(li.user, make_product(), started=True)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("shop.services.order_close.payment_close", killed)
        sweep()

    assert (sweep(), states()) == (0, ["open"])
    assert (sweep(CLAIM), states()) == (1, ["closed"])


def test_a_payment_started_in_time_saves_the_order_from_a_sweep_that_had_chosen_it(li, wechat):
    order = overdue(li.user, make_product(), started=True)
    Order.objects.filter(pk=order.pk).update(expires_at=timezone.now() + timedelta(minutes=1))

    settled = order_try_close(order_pk=order.pk, now=timezone.now())

    assert (settled.state, settled.sweep_at) == ("open", settled.expires_at)


def test_the_wish_of_a_killed_process_is_carried_out(li, wechat, monkeypatch):
    product = make_product(stock=3)
    order = make_order(li.user, product)
    order_pay(order_id=order.order_id, buyer_pk=li.user.pk, trade_type="NATIVE", client_ip="::1", now=timezone.now())
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("shop.services.order_close.payment_close", killed)
        order_close(order_id=order.order_id, event=Event.INVALIDATE, actor="wang", now=timezone.now())

    assert sweep(CLAIM) == 1
    log = OrderLog.objects.filter(order=order).last()
    assert (states(), stock_of(product), log.actor, log.event) == (["invalid"], 3, "wang", "作废")


def killed(**_):
    raise SystemExit


def test_looks_only_at_open_orders(li):
    product = make_product(stock=5000)
    rows = [make_order(li.user, product) for _ in range(3)]
    template = Order.objects.filter(pk=rows[0].pk).values().get()
    template.pop("id")
    done = template | {"state": "closed", "order_status": 4, "sweep_at": None, "holds_stock": False}
    Order.objects.bulk_create([Order(**done | {"order_id": f"done{n:026d}"}) for n in range(3000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE shop_order")
        cursor.execute(
            "EXPLAIN SELECT * FROM shop_order WHERE sweep_at <= now() AND payment_started_at IS NULL "
            "ORDER BY sweep_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "order_due" in plan and "Seq Scan" not in plan


def within(seconds, is_so):
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until:
        time.sleep(0.05)
    return is_so()


@contextmanager
def hanging(wechat, patch):
    """A sweep in a thread that waits for the provider until the block is left; the value is when its claim ends."""
    patch.setattr("shop.services.order_expire.RENEW_S", 0.05)
    wechat.faults = [("query", "swallow")]
    with sweeping():
        try:
            assert within(10, lambda: not wechat.faults)
            yield Order.objects.get().sweep_at
        finally:
            wechat.lets_go.set()


@pytest.mark.django_db(transaction=True)
class TestSweepsSideBySide:
    @pytest.fixture(autouse=True)
    def _patience(self, monkeypatch):
        """What hangs does so until it is let go."""
        for name in ("READ_TIMEOUT_S", "TOTAL_TIMEOUT_S"):
            monkeypatch.setattr(f"payments.gateways.wechat.http.{name}", 60)

    def test_an_order_that_one_waits_for_is_not_asked_about_by_another(self, li, wechat, monkeypatch):
        order = overdue(li.user, make_product(), started=True)

        with hanging(wechat, monkeypatch) as claim_ends:
            assert within(10, lambda: Order.objects.filter(pk=order.pk, sweep_at__gt=claim_ends).exists())
            assert orders_sweep(now=claim_ends, closers=1) == 0

        assert (wechat.called("query"), states()) == (1, ["closed"])

    def test_it_is_asked_about_again_where_the_claim_is_not_renewed(self, li, wechat, monkeypatch):
        monkeypatch.setattr("shop.services.order_expire.rows_keep", lambda *_, **__: None)
        overdue(li.user, make_product(), started=True)

        with hanging(wechat, monkeypatch) as claim_ends:
            assert orders_sweep(now=claim_ends, closers=1) == 1

        assert wechat.called("query") == 2

    def test_one_that_waits_goes_on_closing_what_nobody_pays(self, li, wechat, monkeypatch):
        product = make_product()
        overdue(li.user, product, started=True)

        with hanging(wechat, monkeypatch):
            unpaid = overdue(li.user, product)
            is_closed = within(10, lambda: Order.objects.get(pk=unpaid.pk).state == "closed")

        assert is_closed

    def test_while_the_provider_hangs_for_some_the_others_close_in_time(self, li, wechat):
        """They fell due later, and each needs the provider as well."""
        product = make_product(stock=100)
        first = [overdue(li.user, product, started=True, by=timedelta(seconds=9)) for _ in range(12)]
        others = [overdue(li.user, product, started=True).pk for _ in range(12)]
        wechat.faults = [("query", "swallow")] * 12
        closed = Order.objects.filter(pk__in=others, state="closed")

        with sweeping():
            are_closed = within(30, lambda: closed.count() == 12)
            waiting = [wechat.orders[order.order_id]["state"] for order in first]
            wechat.lets_go.set()

        assert are_closed
        assert waiting == ["NOTPAY"] * 12
        assert states() == ["closed"] * 24

    def test_what_hung_before_keeps_no_place_that_a_fresh_order_needs(self, li, wechat, monkeypatch):
        product = make_product(stock=100)
        monkeypatch.setattr("shop.services.order_expire.PATIENCE_S", 0.1)
        rounds, keep = [], order_expire.rows_keep
        monkeypatch.setattr(order_expire, "rows_keep", lambda rows, **new: (rounds.append(1), keep(rows, **new)))
        for _ in range(30):
            overdue(li.user, product, started=True, by=timedelta(seconds=9))
        Order.objects.update(close_attempts=1)
        wechat.faults = [("query", "swallow")] * 30

        with sweeping():
            assert within(30, lambda: len(wechat.faults) == 30 - MAX_AGAIN)
            enough = len(rounds) + 20
            assert within(30, lambda: len(rounds) >= enough)  # it would have taken more
            wechat.faults = []
            fresh = overdue(li.user, product, started=True)
            is_closed = within(30, lambda: Order.objects.get(pk=fresh.pk).state == "closed")
            wechat.lets_go.set()

        assert is_closed


@contextmanager
def sweeping():
    """A sweep in a thread, until all that is due is done."""

    def run():
        try:
            orders_sweep(now=timezone.now())
        finally:
            connection.close()

    sweeper = threading.Thread(target=run)
    sweeper.start()
    try:
        yield
    finally:
        sweeper.join()
