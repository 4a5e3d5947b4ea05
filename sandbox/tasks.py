"""The sandbox's background tasks. A task may run twice or be lost, because the sweep finds everything that is due."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from core.db.purge import rows_purge
from core.queues import queued_task
from sandbox.models import Delivery, DeliveryState, TextMessage, Trade, TradeState
from sandbox.pay.notices import deliveries_send

KEEP = timedelta(days=30)
REFUNDABLE = timedelta(days=366)  # WeChat Pay refunds an order for a year


@queued_task("sandbox.sweep", queue="money")
def sweep() -> None:
    """Send the notifications that are due. Beat runs this every 3 s, and each payment starts it too."""
    deliveries_send(Delivery.objects.all(), now=timezone.now())


@queued_task("sandbox.purge", queue="bulk")
def purge() -> None:
    """Delete text messages, notifications and closed orders after ``KEEP``, other orders after ``REFUNDABLE``."""
    old = timezone.now() - KEEP
    rows_purge(TextMessage.objects.filter(at__lt=old))
    rows_purge(Delivery.objects.filter(created_at__lt=old).exclude(state=DeliveryState.DUE))
    closed = Q(state=TradeState.CLOSED, placed_at__lt=old)
    rows_purge(Trade.objects.filter(closed | Q(created_at__lt=timezone.now() - REFUNDABLE)))
