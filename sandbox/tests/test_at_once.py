"""The same thing from several sides at the same instant, on connections of their own."""

import pytest
from django.utils import timezone

from sandbox.models import Delivery, Refund, Trade, TradeState
from sandbox.pay.errors import Refused
from sandbox.pay.trades import refund_create, trade_close, trade_pay, trade_place
from sandbox.tests.conftest import EXPIRES, NUMBER
from tests.kit import at_once

SIDES = 6

pytestmark = pytest.mark.django_db(transaction=True)


def from_all_sides(call):
    """Run ``call`` on all sides together; return what each got, a refusal as its reason."""
    outcomes = at_once([call] * SIDES, refusals=(Refused,))
    return [outcome.reason.name if isinstance(outcome, Refused) else outcome for outcome in outcomes]


def place(now):
    facts = {"trade_type": "NATIVE", "fingerprint": "f", "expires_at": EXPIRES, "notify_url": "http://127.0.0.1:9"}
    return trade_place(Trade(out_trade_no=NUMBER, body="鞋", total_fee=100, **facts), now=now)


def test_one_order_is_made():
    codes = from_all_sides(lambda: place(timezone.now()).token)

    assert len(set(codes)) == 1
    assert Trade.objects.count() == 1


def test_an_order_is_paid_or_closed_never_both():
    trade = place(timezone.now())
    steps = iter([True, False] * SIDES)

    def pay_or_close():
        if next(steps):
            return trade_pay(trade, now=timezone.now()).state
        return trade_close(NUMBER)

    outcomes = from_all_sides(pay_or_close)

    trade = Trade.objects.get()
    assert len([outcome for outcome in outcomes if outcome in (None, TradeState.SUCCESS)]) == 1
    assert (trade.paid_at is None) == (trade.state == TradeState.CLOSED) == (not Delivery.objects.exists())


def test_a_refund_is_given_once():
    now = timezone.now()
    trade = trade_pay(place(now), now=now)

    def ask():
        draft = Refund(trade=trade, out_refund_no="R1", refund_fee=100, notify_url=trade.notify_url)
        return refund_create(draft, total_fee=100, now=now).refund_id

    made = from_all_sides(ask)

    assert len(set(made)) == Refund.objects.count() == 1
    assert Delivery.objects.filter(refund__isnull=False).count() == 1
