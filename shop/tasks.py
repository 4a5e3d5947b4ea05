"""What happens in the shop without a request. ``config/settings/base.py`` says when."""

from celery import shared_task

from core import times
from shop.services.order_expire import orders_sweep


@shared_task(name="shop.expire_orders", ignore_result=True)
def expire_orders() -> None:
    orders_sweep(now=times.agreed_now())
