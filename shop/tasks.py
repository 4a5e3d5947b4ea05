"""What happens in the shop without a request. ``config/schedule.py`` says when."""

from core import times
from core.queues import queued_task
from shop.services.order_close import orders_sweep
from shop.services.order_purge import orders_purge


@queued_task("shop.expire_orders", queue="money")
def expire_orders() -> None:
    orders_sweep(now=times.agreed_now())


@queued_task("shop.purge_orders", queue="bulk")
def purge_orders() -> None:
    orders_purge(now=times.agreed_now())
