"""The demo data tells a month of a shop, without a difference between order, money and bill."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from accounts.services.seed import accounts_seed
from accounts.tokens import tokens_end
from attendance.models import ATTENDED, Record, Session
from core.money import fen_to_yuan
from demo.data import accounts_reset, demo_reset, demo_seed
from demo.orders import COURIERS, NUMBER, STORIES
from payments.models import BillRun, Difference, Payment, Refund, RefundStatus
from payments.services.bills import bill_days_missing, bills_reconcile_missing
from sandbox.models import Trade
from shop.models import Order, OrderLog
from shop.models.courier import number_fits
from shop.order_states import Event, ReturnStep, State
from shop.services.order_step import order_step
from shop.tests.factories import make_order
from students.models import Student
from tests.kit import during
from weather.models import WeatherRecord

pytestmark = pytest.mark.django_db


@pytest.fixture
def school(roles, settings, tmp_path, keys, server, no_pictures):
    for name, value in keys.items():
        setattr(settings, name, value)
    settings.WECHAT_PAY_BASE_URL = f"{server}/sandbox/wxpay"
    keys_here, settings.STATE_DIR, settings.ROOT_PASSWORD = settings.STATE_DIR, tmp_path, "a-root-password"
    accounts_seed()
    settings.STATE_DIR = keys_here


def counts():
    models = [Student, Order, Payment, Refund, Trade, WeatherRecord, Session, Record]
    return [model.objects.count() for model in models]


def has_the_rhythm_of_a_week():
    def rate(weekday):
        records = Record.objects.filter(session__date__iso_week_day=weekday)
        return records.filter(status__in=ATTENDED).count() / records.count()

    days = set(Session.objects.values_list("date", flat=True))
    assert 60 < len(days) < 66 and {day.weekday() for day in days} == set(range(5))
    assert rate(5) < rate(1) < 1 and rate(5) < rate(3)
    assert not Record.objects.filter(student__created_at__gt=F("session__opened_at")).exists()


def test_shows_every_state_that_lasts_with_sums_that_agree_and_no_comparison_finds_a_difference(school, settings):
    demo_seed()

    has_the_rhythm_of_a_week()
    assert set(Order.objects.values_list("state", flat=True)) == set(State) - {State.OPEN}
    assert not OrderLog.objects.filter(at__gt=timezone.now()).exists()
    refund_states = set(Refund.objects.values_list("state", flat=True))
    assert refund_states == {RefundStatus.PROCESSING, RefundStatus.ABNORMAL, RefundStatus.SUCCESS}
    assert counts()[1] == len(STORIES) and WeatherRecord.objects.count() == 6
    returns = Order.objects.filter(state__in=[State.RETURN_ASKED, State.RETURN_ASKED_LATER])
    assert set(returns.values_list("return_step", flat=True)) == set(ReturnStep.values)
    parcels = Order.objects.exclude(express_no="").values_list("express_company", "express_no")
    assert {courier for courier, _ in parcels} == {courier for courier, _ in COURIERS}
    assert all(number_fits(*parcel) for parcel in parcels)
    assert Order.objects.filter(state=State.RECEIVED, refunded__gt=0).count() == 1  # a part

    paid = Order.objects.filter(pay_status=1)
    payments = Payment.objects.values_list("out_trade_no", "amount_fen", "transaction_id")
    assert {(order.order_id, order.total_fen, order.transaction_id) for order in paid} == set(payments)
    trades = Trade.objects.values_list("out_trade_no", "total_fee", "paid_at")
    assert set(Payment.objects.values_list("out_trade_no", "amount_fen", "paid_at")) == set(trades)
    back = Order.objects.filter(refunded__gt=0).values_list("order_id", "refunded")
    refunds = Refund.objects.values_list("payment__out_trade_no", "amount_fen")
    assert sorted((number, fen_to_yuan(fen)) for number, fen in refunds) == sorted(back)

    now = timezone.now()
    bills_reconcile_missing(now=now)

    assert not bill_days_missing(settings.WECHAT_PAY_MCH_ID, now=now) and not Difference.objects.exists()
    assert BillRun.objects.filter(rows__gt=0).count() > 10 and not BillRun.objects.exclude(last_error="").exists()
    old = Q(created_at__lt=now - timedelta(days=3))
    assert not Payment.objects.filter(old, billed_on=None).exists()
    assert not Refund.objects.filter(old, billed_on=None).exists()


def test_a_reset_puts_it_back_leaves_other_orders_alone_and_compares_the_latest_days_at_once(
    school, settings, sent_tasks, django_capture_on_commit_callbacks, monkeypatch
):
    """Not all of the days: a first start prints addresses, and each day is several lines of the log below them."""
    monkeypatch.setattr("demo.school.DAYS", 7)  # three months are most of the demo's rows
    monkeypatch.setattr("demo.orders.STORIES", stories := STORIES[-10:])  # and a month of orders most of its time
    demo_seed()
    before = counts()
    paid = Order.objects.filter(state=State.PAID)[0]
    order_step(order_id=paid.order_id, event=Event.SHIP, actor="lbw", now=timezone.now())
    Student.objects.filter(sid="DEMO00000100").delete()
    mine = make_order(User.objects.get(username="lbw"))
    settings.ORDER_TTL = timedelta(seconds=1)  # as a lesson about expiry may have it
    assert all(line.startswith("已有") for line in demo_seed()) and counts()[0] == before[0] - 1

    with django_capture_on_commit_callbacks(execute=True):
        demo_reset()

    assert counts() == [before[0], before[1] + 1, *before[2:]]
    assert Order.objects.filter(pk=mine.pk).exists()
    assert Order.objects.filter(order_id__regex=NUMBER).count() == len(stories)
    days = [day.isoformat() for day in bill_days_missing(settings.WECHAT_PAY_MCH_ID, now=timezone.now())]
    assert [task for task in sent_tasks if task[0].startswith("payments.reconcile")] == [
        ("payments.reconcile_bill", (day,)) for day in days[-2:]
    ]


@pytest.mark.django_db(transaction=True)
def test_a_reset_waits_for_who_signs_out_and_ends_both_kinds_of_tokens(lbw):
    during(lambda: tokens_end(user_pks=[lbw.user.pk]), transaction.atomic(accounts_reset))

    assert User.objects.get(username="lbw").epoch == lbw.user.epoch + 2  # without the lock one of the two is lost
