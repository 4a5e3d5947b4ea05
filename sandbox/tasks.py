"""The sandbox's background tasks. A task may run twice or be lost, because the sweep finds everything that is due."""

from django.utils import timezone

from core.queues import queued_task
from sandbox.pay.deliveries import deliveries_due, delivery_send
from sandbox.pay.purge import books_purge
from sandbox.pay.refunds import refunds_settle


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
    books_purge(now=timezone.now())
