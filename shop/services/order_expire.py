"""The sweep that closes unpaid orders that have expired.

Any number of sweeps may run at once, any may be killed: the database says what is due.
"""

import time
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from shop.models import Order
from shop.services.order_close import CLAIM, backoff, order_try_close
from shop.states import State

log = structlog.get_logger("shop")

# One run begins nothing new after this time. Beat starts the next run 2 s after this one started.
MAX_RUN_S = 20.0


def orders_sweep(*, now: datetime) -> int:
    """Close the orders that are due; return how many are not open any more. Not in a transaction: asks the provider.

    Orders whose payment was never started come first, those that the provider did not close before come last. So one
    on which the provider hangs holds up few others, and the next sweep works on those meanwhile.
    """
    began, finished, moment = time.monotonic(), 0, now
    while moment < now + timedelta(seconds=MAX_RUN_S) and (order := _claim(moment)):
        finished += _try_close(order.pk, moment)
        moment = now + timedelta(seconds=time.monotonic() - began)
    return finished


def _claim(now: datetime) -> Order | None:
    """Take the order that is next for this sweep alone, until ``CLAIM`` is over; afterwards its row is not locked."""
    due = Order.objects.filter(sweep_at__lte=now).only("pk")
    due = due.order_by("close_attempts", F("payment_started_at").asc(nulls_first=True), "pk")
    with transaction.atomic(durable=True):
        # Skip locked rows: another process is paying, cancelling or sweeping the order now.
        order = due.select_for_update(skip_locked=True, no_key=True).first()
        if order:
            Order.objects.filter(pk=order.pk).update(sweep_at=now + CLAIM)
    return order


def _try_close(pk: int, now: datetime) -> bool:
    try:
        return order_try_close(order_pk=pk, now=now).state != State.OPEN
    except Exception:  # one broken order must not hold up the others
        log.exception("order not finished", order_pk=pk)
        attempts = Order.objects.values_list("close_attempts", flat=True).get(pk=pk) + 1
        Order.objects.filter(pk=pk, state=State.OPEN).update(close_attempts=attempts, sweep_at=now + backoff(attempts))
        return False
