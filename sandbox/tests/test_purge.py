"""The purge deletes what has ended, and nothing that a client may still ask for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sandbox.models import Delivery, PayCode, Refund, Trade
from sandbox.tasks import KEEP, purge

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OLD, NEW = NOW - KEEP - timedelta(hours=1), NOW - KEEP + timedelta(hours=1)


def trade(number, state, **facts):
    return Trade.objects.create(
        out_trade_no=number, transaction_id=number, state=state, total_fee=300, expires_at=OLD, created_at=OLD, **facts
    )


def refund(number, fen, **facts):
    facts = {"state": "SUCCESS", "created_at": OLD, "settles_at": OLD, "settled_at": OLD} | facts
    of = Trade.objects.filter(out_trade_no=number).first() or trade(number, "REFUND")
    Refund.objects.create(
        trade=of, out_refund_no=f"{number} {fen}", refund_id=f"{number} {fen}", refund_fee=fen, **facts
    )


def test_orders_go_when_they_ended_long_ago_and_codes_and_notifications_when_they_are_old():
    _, told, _ = (trade(f"closed {number}", "CLOSED", closed_at=at) for number, at in enumerate((OLD, OLD, NEW)))
    paid, _ = trade("paid", "SUCCESS"), trade("new", "NOTPAY")
    for number, fen in (("whole", 100), ("whole", 200), ("half", 100)):
        refund(number, fen)
    refund("failed", 300, state="ABNORMAL")
    refund("lately", 300, settled_at=NEW)
    for n, (of, state, at) in enumerate(((told, "DUE", OLD), (paid, "DELIVERED", OLD), (paid, "DELIVERED", NEW))):
        Delivery.objects.create(trade=of, state=state, created_at=at, next_try_at=NOW)
        PayCode.objects.create(token=n, prepay_id=n, trade=paid, expires_at=at)

    purge()

    refunded = {"half", "failed", "lately"}
    assert {*Trade.objects.values_list("out_trade_no", flat=True)} == refunded | {"closed 1", "closed 2", "paid", "new"}
    assert set(Refund.objects.values_list("trade__out_trade_no", flat=True)) == refunded
    assert PayCode.objects.get().token == "2"
    assert set(Delivery.objects.values_list("state", "created_at")) == {("DUE", OLD), ("DELIVERED", NEW)}
