"""Deleting orders that ended unpaid long ago and that no money ever touched."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from payments.services.purge import payments_purge
from shop.models import Order, OrderLine, OrderLog
from shop.order_states import CLOSED_UNPAID

BATCH = 1000


def orders_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete closed unpaid orders older than ``CLOSED_KEEP_DAYS``; return how many. 0 days: keep them for ever.

    An order that staff have flagged stays. Each batch is a transaction of its own.
    """
    if not settings.CLOSED_KEEP_DAYS:
        return 0
    before = now - timedelta(days=settings.CLOSED_KEEP_DAYS)
    old = Order.objects.filter(state__in=CLOSED_UNPAID, created_at__lt=before, paid_at=None, flagged_at=None)
    number = last_pk = 0
    while keys := list(old.filter(pk__gt=last_pk).order_by("pk").values_list("pk", flat=True)[:batch]):
        number += _purge(old.filter(pk__in=keys), before)
        last_pk = keys[-1]
    return number


@transaction.atomic
def _purge(old: QuerySet[Order], before: datetime) -> int:
    orders = _locked(old)
    kept = payments_purge(out_trade_nos=list(orders), ended_before=before)
    keys = [pk for order_id, pk in orders.items() if order_id not in kept]
    OrderLog.objects.filter(order__in=keys).delete()
    OrderLine.objects.filter(order__in=keys).delete()
    Order.objects.filter(pk__in=keys).delete()
    return len(keys)


def _locked(old: QuerySet[Order]) -> dict[str, int]:
    """Lock the orders and return their keys by number. One that a notification of its money has locked is left out."""
    return dict(old.select_for_update(skip_locked=True).order_by("pk").values_list("order_id", "pk"))
