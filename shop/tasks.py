"""What happens in the shop without a request."""

from celery import shared_task
from django.utils import timezone


@shared_task(name="shop.expire_orders", ignore_result=True)
def expire_orders() -> None:
    from shop.services.order_expire import orders_sweep

    orders_sweep(now=timezone.now())
