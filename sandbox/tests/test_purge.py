"""The purge deletes what has ended, and nothing that a client may still ask for."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sandbox.models import Delivery, Trade
from sandbox.tasks import KEEP, REFUNDABLE, purge

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OLD, NEW = NOW - KEEP - timedelta(hours=1), NOW - KEEP + timedelta(hours=1)


def trade(number, state, created_at=OLD, placed_at=OLD):
    return Trade.objects.create(
        out_trade_no=number, transaction_id=number, state=state, total_fee=300, expires_at=OLD, created_at=created_at,
        placed_at=placed_at,
    )  # fmt: skip


def test_orders_go_when_they_closed_long_ago_or_are_too_old_for_a_refund_and_notifications_when_they_are_old():
    trade("closed", "CLOSED")
    trade("closed lately", "CLOSED", placed_at=NEW)
    trade("open", "NOTPAY")
    trade("over", "REFUND", created_at=NOW - REFUNDABLE - timedelta(hours=1))
    paid = trade("paid", "SUCCESS", created_at=NOW - REFUNDABLE + timedelta(hours=1))
    for state, at in (("DUE", OLD), ("DELIVERED", OLD), ("DELIVERED", NEW)):
        Delivery.objects.create(trade=paid, state=state, created_at=at, next_try_at=NOW)

    purge()

    assert {*Trade.objects.values_list("out_trade_no", flat=True)} == {"closed lately", "open", "paid"}
    assert set(Delivery.objects.values_list("state", "created_at")) == {("DUE", OLD), ("DELIVERED", NEW)}
