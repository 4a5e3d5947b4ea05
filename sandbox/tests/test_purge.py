"""The purge deletes what has ended, and nothing that a client may still ask for."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from sandbox.models import Api, Delivery, PayCode, Refund, Trade
from sandbox.tasks import KEEP, purge

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OLD, NEW = NOW - KEEP - timedelta(hours=1), NOW - KEEP + timedelta(hours=1)


def trade(number: str, state: str, *, closed_at: datetime | None = None, refunds: tuple[int, ...] = ()) -> Trade:
    made = Trade.objects.create(
        out_trade_no=number, fingerprint="f", trade_type="NATIVE", body="跑鞋", total_fee=300,
        notify_url="http://127.0.0.1/pay/notify", state=state, transaction_id=f"T{number}", expires_at=OLD,
        created_at=OLD, closed_at=closed_at,
    )  # fmt: skip
    for n, fen in enumerate(refunds):
        name, times = f"{number}-{n}", {"created_at": OLD, "settles_at": OLD, "settled_at": OLD}
        Refund.objects.create(trade=made, out_refund_no=name, refund_id=name, refund_fee=fen, state="SUCCESS", **times)
    return made


def notify(of: Trade, state: str, created_at: datetime) -> None:
    facts = {"api": Api.V3, "url": "http://127.0.0.1/", "body": "{}", "state": state, "next_try_at": NOW}
    Delivery.objects.create(trade=of, created_at=created_at, **facts)


def values(model: Any, field: str) -> set[Any]:
    return set(model.objects.values_list(field, flat=True))


def test_orders_go_when_they_ended_long_ago_and_codes_and_notifications_when_they_are_old():
    trade("closed", "CLOSED", closed_at=OLD)
    trade("closed lately", "CLOSED", closed_at=NEW)
    trade("never closed", "NOTPAY")
    notify(trade("still to be told", "CLOSED", closed_at=OLD), "DUE", OLD)
    trade("returned twice", "REFUND", refunds=(100, 200))
    trade("half returned", "REFUND", refunds=(100,))
    trade("return failed", "REFUND", refunds=(300,)).refunds.update(state="ABNORMAL")
    trade("returned lately", "REFUND", refunds=(300,)).refunds.update(settled_at=NEW)
    paid = trade("paid", "SUCCESS")
    for name, when in (("old", OLD), ("new", NEW)):
        PayCode.objects.create(token=name, prepay_id=name, trade=paid, expires_at=when)
        notify(paid, "DELIVERED", when)

    purge()

    returned = {"half returned", "return failed", "returned lately"}
    assert values(Trade, "out_trade_no") == returned | {"closed lately", "never closed", "still to be told", "paid"}
    assert values(Refund, "trade__out_trade_no") == returned
    assert values(PayCode, "token") == {"new"}
    assert set(Delivery.objects.values_list("state", "created_at")) == {("DUE", OLD), ("DELIVERED", NEW)}
