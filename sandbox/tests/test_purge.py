"""The books forget what has ended, and nothing that somebody may still ask for."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from sandbox.models import Api, Delivery, PayCode, Refund, Trade
from sandbox.tasks import KEEP, purge

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OLD, NEW = NOW - KEEP - timedelta(hours=1), NOW - KEEP + timedelta(hours=1)


def trade(number: str, state: str, *, closed_at: datetime | None = None) -> Trade:
    return Trade.objects.create(
        out_trade_no=number, fingerprint="f", trade_type="NATIVE", body="跑鞋", total_fee=300,
        notify_url="http://127.0.0.1/pay/notify", state=state, transaction_id=f"T{number}", expires_at=OLD,
        created_at=OLD, closed_at=closed_at,
    )  # fmt: skip


def give_back(of: Trade, fen: int, state: str = "SUCCESS", settled_at: datetime = OLD) -> Refund:
    number = f"{of.out_trade_no}-{of.refunds.count()}"
    return Refund.objects.create(
        trade=of, out_refund_no=number, refund_id=number, refund_fee=fen, state=state,
        created_at=OLD, settles_at=OLD, settled_at=settled_at,
    )  # fmt: skip


def notify(of: Trade, state: str, created_at: datetime) -> Delivery:
    return Delivery.objects.create(
        trade=of, api=Api.V3, url="http://127.0.0.1/", body="{}", state=state, created_at=created_at, next_try_at=NOW
    )


def left(model: Any, field: str) -> set[Any]:
    return set(model.objects.values_list(field, flat=True))


def test_orders_go_when_they_ended_long_ago_and_codes_and_notifications_when_they_are_old():
    trade("closed", "CLOSED", closed_at=OLD)
    trade("closed lately", "CLOSED", closed_at=NEW)
    trade("never closed", "NOTPAY")
    notify(trade("still to be told", "CLOSED", closed_at=OLD), "DUE", OLD)
    returned, twice, half = (trade(number, "REFUND") for number in ("returned", "returned twice", "half returned"))
    failed, lately = (trade(number, "REFUND") for number in ("return failed", "returned lately"))
    give_back(returned, 300)
    give_back(twice, 100), give_back(twice, 200)
    give_back(half, 100)
    give_back(failed, 300, "ABNORMAL")
    give_back(lately, 300, settled_at=NEW)
    paid = trade("paid", "SUCCESS")
    for name, when in (("old", OLD), ("new", NEW)):
        PayCode.objects.create(token=name, prepay_id=name, trade=paid, expires_at=when)
        notify(paid, "DELIVERED", when)

    purge()

    assert left(Trade, "out_trade_no") == {
        "closed lately", "never closed", "still to be told", "paid", "half returned", "return failed",
        "returned lately",
    }  # fmt: skip
    assert left(Refund, "trade__out_trade_no") == {"half returned", "return failed", "returned lately"}
    assert left(PayCode, "token") == {"new"}
    assert set(Delivery.objects.values_list("state", "created_at")) == {("DUE", OLD), ("DELIVERED", NEW)}
