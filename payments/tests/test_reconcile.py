"""The sweeps: what notifications missed is found, at a cost that does not grow with what is settled."""

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import tasks
from payments.models import Payment, PaymentStatus
from payments.services.query_close import payment_close, payments_reconcile
from payments.tests.conftest import request
from tests.kit import during

pytestmark = pytest.mark.django_db


def later(**span):
    return timezone.now() + timedelta(**span)


def test_finds_what_no_notification_told(start, shop, wechat):
    paid_there, unpaid = start().out_trade_no, start().out_trade_no
    wechat.pay(paid_there)

    assert payments_reconcile(now=timezone.now()) == 0  # too young
    assert payments_reconcile(now=later(seconds=21)) == 2

    assert [call["out_trade_no"] for call in shop.paid] == [paid_there]
    assert Payment.objects.get(out_trade_no=unpaid).state == PaymentStatus.OPEN
    assert payments_reconcile(now=later(seconds=22)) == 0
    assert payments_reconcile(now=later(seconds=42)) == 1


def test_a_closed_payment_is_watched_for_a_day_and_then_left_alone(start, wechat):
    number, now = start().out_trade_no, timezone.now()
    payment_close(out_trade_no=number, now=now)

    moments = []
    while due := Payment.objects.get().next_check_at:
        moments.append(due - now)
        payments_reconcile(now=due)

    assert moments[0] == timedelta(minutes=1)
    assert timedelta(hours=24) < moments[-1] < timedelta(hours=29)
    assert len(moments) < 20


def test_a_silent_or_slow_provider_does_not_hold_up_the_sweep(start, wechat, monkeypatch):
    for _ in range(5):
        start()
    wechat.faults = [("query", "down")] * 5

    assert payments_reconcile(now=later(seconds=30)) == 2

    assert len(wechat.faults) == 3
    wechat.faults = []
    monkeypatch.setattr("payments.services.common.MAX_SWEEP_S", 0)
    # Those that were not asked about stay due.
    assert [payments_reconcile(now=later(seconds=31)) for _ in range(4)] == [1, 1, 1, 0]


def test_the_tasks_do_the_sweeps(start, paid, wechat):
    refund = request(paid(), 1)
    wechat.pay(start().out_trade_no)
    Payment.objects.filter(state="open").update(next_check_at=timezone.now())

    tasks.run_due_refunds()
    tasks.reconcile()
    tasks.purge_events()
    tasks.refresh_certificates()
    tasks.run_refund(refund.pk)

    refund.refresh_from_db()
    assert refund.state == "processing"
    assert Payment.objects.filter(state="paid").count() == 2
    assert wechat.called("certificates") == 0  # public-key mode


@pytest.mark.django_db(transaction=True)
def test_one_that_is_locked_or_does_not_fit_does_not_cost_the_others_their_turn(start, shop, wechat, monkeypatch):
    """One payment's order is locked too long; another's row is locked, and left to the process that holds it."""
    monkeypatch.setattr("payments.services.common.LOCK_WAIT_MS", 100)
    locked, busy, wrong, *others = [start().out_trade_no for _ in range(5)]
    for number in (locked, busy, *others):
        wechat.pay(number)
    wechat.pay(wrong, fen=1)
    Payment.objects.filter(out_trade_no=locked).update(next_check_at=timezone.now())

    def lock():
        shop.lock(out_trade_no=locked)
        Payment.objects.select_for_update().get(out_trade_no=busy)

    assert during(lock, lambda: payments_reconcile(now=later(seconds=30)), is_ended=True) == 4

    assert sorted(call["out_trade_no"] for call in shop.paid) == sorted(others)
    assert Payment.objects.get(out_trade_no=wrong).last_error
    assert payments_reconcile(now=later(minutes=2)) == 3
    assert Payment.objects.filter(out_trade_no__in=[locked, busy], state="paid").count() == 2
