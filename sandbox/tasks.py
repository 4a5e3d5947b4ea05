"""The sandbox's background tasks. A task may run twice or be lost, because the sweep finds everything that is due."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, Subquery, Sum
from django.utils import timezone

from core.db.purge import rows_purge
from core.queues import queued_task
from sandbox.models import Delivery, DeliveryState, PayCode, Refund, RefundState, TextMessage, Trade, TradeState
from sandbox.pay.notices import deliveries_due, delivery_send
from sandbox.pay.trades import refunds_settle

KEEP = timedelta(days=30)


@queued_task("sandbox.deliver", queue="money")
def deliver(delivery_id: int) -> None:
    delivery_send(delivery_id=delivery_id, now=timezone.now())


@queued_task("sandbox.sweep", queue="money")
def sweep() -> None:
    """Settle refunds and send the notifications that are due. Beat runs this every 3 s."""
    refunds_settle(now=timezone.now())
    for delivery_id in deliveries_due(now=timezone.now()):
        deliver.delay(delivery_id)


@queued_task("sandbox.purge", queue="bulk")
def purge() -> None:
    """Delete codes, text messages, notifications and orders that ended ``KEEP`` ago.

    An order has ended when it is closed or refunded in full. A paid one stays, because it may be refunded at any time,
    and so does one that is still open.
    """
    old = timezone.now() - KEEP
    deliveries = Delivery.objects.filter(state=DeliveryState.DUE)
    refunds = Refund.objects.filter(trade=OuterRef("pk"), state=RefundState.SUCCESS, settled_at__lt=old)
    refunded_fen = refunds.order_by().values("trade").annotate(fen=Sum("refund_fee")).values("fen")
    over = Q(state=TradeState.CLOSED, closed_at__lt=old) | Q(state=TradeState.REFUND, total_fee=Subquery(refunded_fen))
    rows_purge(TextMessage.objects.filter(at__lt=old))
    rows_purge(PayCode.objects.filter(expires_at__lt=old))
    rows_purge(Delivery.objects.filter(created_at__lt=old).exclude(state=DeliveryState.DUE))
    rows_purge(Trade.objects.filter(over).exclude(Exists(deliveries.filter(trade=OuterRef("pk")))))
