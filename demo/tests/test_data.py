"""The demo data tells a month of a shop, without a difference between order, money and bill."""

import pytest
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from accounts.models import User
from accounts.services.seed import accounts_seed
from accounts.services.users import sign_out_everywhere
from attendance.models import ATTENDED, Record, Session
from core.money import fen_to_yuan
from demo.accounts import accounts_reset
from demo.data import demo_reset, demo_seed
from demo.orders import COURIERS, NUMBER, REASONS
from payments.models import BillRun, Difference, Payment, Refund, RefundStatus
from payments.selectors import differences_open
from payments.services.bills import bill_days_missing, bill_reconcile
from sandbox.models import Trade
from shop.models import Order, OrderLine
from shop.order_states import State
from shop.services.order_ship import order_ship
from shop.tests.factories import make_order
from students.models import Student
from tests.kit import during
from weather.models import WeatherRecord

pytestmark = pytest.mark.django_db


@pytest.fixture
def short_term(monkeypatch):
    monkeypatch.setattr("demo.attendance.DAYS", 7)


@pytest.fixture
def demo(roles, settings, tmp_path, keys, server):
    for name, value in keys.items():
        setattr(settings, name, value)
    settings.WECHAT_PAY_BASE_URL = f"{server}/sandbox/wxpay"
    settings.STATE_DIR, settings.ROOT_PASSWORD = tmp_path, "a-root-password"
    accounts_seed()
    demo_seed()


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


def test_shows_every_state_that_lasts_with_sums_that_agree_and_no_comparison_finds_a_difference(demo):
    has_the_rhythm_of_a_week()
    assert set(Order.objects.values_list("state", flat=True)) == set(State) - {State.OPEN}
    assert Order.objects.filter(created_at__gt=timezone.now()).count() == 0
    refund_states = set(Refund.objects.values_list("state", flat=True))
    assert refund_states == {RefundStatus.PROCESSING, RefundStatus.ABNORMAL, RefundStatus.SUCCESS}
    assert counts()[1] == 150 and WeatherRecord.objects.count() == 6
    returns = Order.objects.filter(state__in=[State.RETURN_ASKED, State.RETURN_ASKED_LATER])
    assert len(returns) == 3 and {order.note for order in returns} <= set(REASONS)
    parcels = Order.objects.exclude(express_no="").values_list("express_company", "express_no")
    assert {(company, number[:2]) for company, number in parcels} == set(COURIERS)

    sums = OrderLine.objects.values("order").annotate(sum=Sum(F("price") * F("quantity"))).values_list("order", "sum")
    assert dict(sums) == dict(Order.objects.values_list("pk", "total"))
    paid = Order.objects.filter(pay_status=1)
    payments = Payment.objects.values_list("out_trade_no", "amount_fen", "transaction_id")
    assert {(order.order_id, order.total_fen, order.transaction_id) for order in paid} == set(payments)
    trades = Trade.objects.values_list("out_trade_no", "total_fee", "paid_at")
    assert set(Payment.objects.values_list("out_trade_no", "amount_fen", "paid_at")) == set(trades)
    back = Order.objects.filter(refunded__gt=0).values_list("order_id", "refunded")
    refunds = Refund.objects.values_list("payment__out_trade_no", "amount_fen")
    assert sorted((number, fen_to_yuan(fen)) for number, fen in refunds) == sorted(back)

    now = timezone.now()
    mch_id = BillRun.objects.values_list("mch_id", flat=True)[0]
    assert len(bill_days_missing(mch_id, now=now)) <= 2
    Payment.objects.update(billed_on=None)
    Refund.objects.update(billed_on=None)

    # Also days that count as compared: their figures are those of the bills.
    figures = ("day", "rows", "paid_fen", "refunded_fen", "fee_fen", "fee_rates")
    written = list(BillRun.objects.order_by("day").values_list(*figures))
    for day, *_ in written:
        bill_reconcile(day=day, now=now)

    assert differences_open() == 0 and not Difference.objects.exists()
    assert list(BillRun.objects.order_by("day").values_list(*figures)) == written


def test_a_reset_puts_it_back_and_leaves_other_orders_alone(short_term, demo):
    before = counts()
    order_ship(order_id=Order.objects.filter(state=State.PAID)[0].order_id, action=1, actor="lbw", now=timezone.now())
    Student.objects.filter(sid="DEMO00000100").delete()
    mine = make_order(User.objects.get(username="lbw"))

    demo_reset()

    assert counts() == [before[0], before[1] + 1, *before[2:]]
    assert Order.objects.filter(pk=mine.pk).exists()
    assert Order.objects.filter(order_id__regex=NUMBER).count() == 150


@pytest.mark.django_db(transaction=True)
def test_a_reset_waits_for_who_signs_out_and_ends_both_kinds_of_tokens(lbw):
    during(lambda: sign_out_everywhere(user_pks=[lbw.user.pk]), transaction.atomic(accounts_reset))

    assert User.objects.get(username="lbw").epoch == lbw.user.epoch + 2  # without the lock one of the two is lost
