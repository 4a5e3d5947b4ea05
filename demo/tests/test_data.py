"""The demo data tells a month of a shop, and nobody finds a difference in it."""

from typing import Any

import pytest
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from accounts.models import LoginLog
from accounts.services.seed import accounts_seed
from core.money import fen_to_yuan
from demo.data import demo_reset, demo_seed
from demo.orders import COURIERS, NUMBER, REASONS
from payments.models import BillRun, Difference, Payment, Refund, RefundStatus
from payments.selectors import differences_open
from payments.services.bills import bill_days_missing, bill_reconcile
from sandbox.models import Trade
from shop.models import Order, OrderLine
from shop.services.order_ship import order_ship
from shop.states import State
from students.models import Student
from weather.models import WeatherRecord

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(roles: Any, settings: Any, tmp_path: Any, keys: dict[str, str], server: str) -> None:
    for name, value in keys.items():
        setattr(settings, name, value)
    settings.WECHAT_PAY_BASE_URL = f"{server}/sandbox/wxpay"
    settings.STATE_DIR, settings.ROOT_PASSWORD = tmp_path, "a-root-password"
    accounts_seed()
    demo_seed()


def counts() -> list[int]:
    models: list[Any] = [Student, Order, Payment, Refund, Trade, LoginLog, WeatherRecord]
    return [model.objects.count() for model in models]


def test_shows_every_state_that_lasts(demo: None) -> None:
    assert set(Order.objects.values_list("state", flat=True)) == set(State) - {State.OPEN}
    assert Order.objects.filter(created_at__gt=timezone.now()).count() == 0
    assert set(Refund.objects.values_list("state", flat=True)) == {
        RefundStatus.PROCESSING,
        RefundStatus.ABNORMAL,
        RefundStatus.SUCCESS,
    }
    assert counts()[1] == 150 and WeatherRecord.objects.count() == 90
    asked = Order.objects.filter(state__in=[State.RETURN_ASKED, State.RETURN_ASKED_LATER]).values_list(
        "note", flat=True
    )
    assert len(asked) == 3 and set(asked) <= set(REASONS)
    parcels = Order.objects.exclude(express_no="").values_list("express_company", "express_no")
    assert {(company, number[:2]) for company, number in parcels} == set(COURIERS)


def test_its_sums_agree(demo: None) -> None:
    paid = Order.objects.filter(pay_status=1)
    sums = OrderLine.objects.values("order").annotate(sum=Sum(F("price") * F("quantity")))
    totals = dict(Order.objects.values_list("pk", "total"))

    assert all(totals[row["order"]] == row["sum"] for row in sums) and len(sums) == 150
    assert {(o.order_id, o.total_fen, o.transaction_id) for o in paid} == set(
        Payment.objects.values_list("out_trade_no", "amount_fen", "transaction_id")
    )
    assert {(p.out_trade_no, p.amount_fen, p.paid_at) for p in Payment.objects.all()} == set(
        Trade.objects.values_list("out_trade_no", "total_fee", "paid_at")
    )
    back = dict(Order.objects.filter(refunded__gt=0).values_list("order_id", "refunded"))
    assert {r.payment.out_trade_no: fen_to_yuan(r.amount_fen) for r in Refund.objects.all()} == back
    assert not Payment.objects.annotate(n=Count("refunds")).filter(
        Q(n__gt=1) | Q(refunds__amount_fen__gt=F("amount_fen"))
    )


def test_no_comparison_finds_a_difference(demo: None) -> None:
    now = timezone.now()
    mch_id = BillRun.objects.values_list("mch_id", flat=True)[0]
    assert len(bill_days_missing(mch_id, now=now)) <= 2
    Payment.objects.update(billed_on=None)
    Refund.objects.update(billed_on=None)

    # Also days that count as compared: their figures are those of the bills.
    written = {run.day: (run.rows, run.paid_fen, run.refunded_fen) for run in BillRun.objects.all()}
    for day in written:
        bill_reconcile(day=day, now=now)

    assert differences_open() == 0 and not Difference.objects.exists()
    assert {run.day: (run.rows, run.paid_fen, run.refunded_fen) for run in BillRun.objects.all()} == written


def test_a_reset_puts_it_back_and_leaves_other_orders_alone(demo: None) -> None:
    before = counts()
    demo_order = Order.objects.filter(state=State.PAID)[0]
    order_ship(order_id=demo_order.order_id, action=1, actor="lbw", now=timezone.now())
    Student.objects.filter(sid="DEMO00000100").delete()
    mine = Order.objects.create(
        order_id="20261101000000000abcdefghijklm", username="王五", total=1, created_at=timezone.now(),
        expires_at=timezone.now(), state=State.CANCELLED, order_status=2, holds_stock=False,
    )  # fmt: skip

    demo_reset()

    assert counts() == [before[0], before[1] + 1, *before[2:]]
    assert Order.objects.filter(pk=mine.pk).exists()
    assert Order.objects.filter(order_id__regex=NUMBER).count() == 150
    assert counts()[4] == Payment.objects.count()
