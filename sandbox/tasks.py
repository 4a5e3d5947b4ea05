"""The sandbox's background tasks. A task may run twice or be lost, because the sweep finds everything that is due."""

from celery import shared_task
from django.utils import timezone

from sandbox.pay.deliveries import deliveries_due, delivery_send
from sandbox.pay.purge import books_purge
from sandbox.pay.refunds import refunds_settle


@shared_task(name="sandbox.deliver", ignore_result=True)
def deliver(delivery_id: int) -> None:
    delivery_send(delivery_id=delivery_id, now=timezone.now())


@shared_task(name="sandbox.sweep", ignore_result=True)
def sweep() -> None:
    """Settle refunds and send the notifications that are due. Beat runs this every 3 s."""
    refunds_settle(now=timezone.now())
    for delivery_id in deliveries_due(now=timezone.now()):
        deliver.delay(delivery_id)


@shared_task(name="sandbox.purge", ignore_result=True)
def purge() -> None:
    books_purge(now=timezone.now())
