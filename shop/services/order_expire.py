"""The sweep: closes what is overdue. Any number may run at once, any may be killed; nothing is kept in a timer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from core.db.locks import alone
from shop.models import Order
from shop.services.order_close import CLAIM, backoff, order_settle, settle_locked
from shop.states import State

log = structlog.get_logger("shop")

# One run ends after this; the next begins 2 s after this one did.
MOST_RUN_S = 20.0
# Closing a payment is waiting for the provider: that many wait side by side, each with a database connection.
CLOSERS = 4
_CLOSING_LOCK = 0x73686F70  # "shop": an advisory lock, which PostgreSQL drops with the process that held it


def orders_sweep(*, now: datetime, closers: int | None = None) -> int:
    """Close the orders that are due; answer how many were settled.

    :param closers: threads that close payments, each with a connection of its own; 1 works in the caller's.
    """
    closers = closers or max(1, min(CLOSERS, settings.DB_POOL_SIZE // 2))
    ends = time.monotonic() + MOST_RUN_S
    settled = _sweep_never_paid(now, ends)
    return settled + _sweep_started(now, ends, closers)


def _due(now: datetime) -> QuerySet[Order]:
    # Locked rows are in other hands: an order being paid or cancelled now, or another sweep's.
    return Order.objects.select_for_update(skip_locked=True, no_key=True).filter(sweep_at__lte=now).order_by("sweep_at")


def _sweep_never_paid(now: datetime, ends: float) -> int:
    """Orders whose payment was never started need nobody else: one short transaction each."""
    settled = 0
    while time.monotonic() < ends:
        pk = _settle_next(now)
        if pk is None:
            break
        settled += 1
    return settled


def _settle_next(now: datetime) -> int | None:
    order = None
    try:
        with transaction.atomic():
            order = _due(now).filter(payment_started_at=None).first()
            if order is None:
                return None
            settle_locked(order, None, now)
    except Exception:  # one broken order must not hold up the others
        if order is None:
            raise
        _set_aside(order.pk, now)
    return order.pk


def _sweep_started(now: datetime, ends: float, closers: int) -> int:
    """Orders with a started payment wait for the provider. One sweep at a time does that: when the provider hangs,
    the other workers stay free for the rest."""
    settled = 0
    with alone(_CLOSING_LOCK) as is_alone:
        while is_alone and time.monotonic() < ends:
            batch = _claim(now, 4 * closers)
            if not batch:
                break
            states = _run(partial(_settle_quietly, now=now), batch, closers)
            settled += sum(state != State.OPEN for state in states)
            if all(state == State.OPEN for state in states):  # the provider does not answer: not now, then
                break
    return settled


@transaction.atomic
def _claim(now: datetime, limit: int) -> list[int]:
    batch = list(_due(now).exclude(payment_started_at=None).values_list("pk", flat=True)[:limit])
    Order.objects.filter(pk__in=batch).update(sweep_at=now + CLAIM)
    return batch


def _settle_quietly(pk: int, now: datetime) -> str:
    try:
        return order_settle(order_pk=pk, now=now).state
    except Exception:
        _set_aside(pk, now)
        return State.OPEN


def _set_aside(pk: int, now: datetime) -> None:
    log.exception("order not settled", order_pk=pk)
    attempts = Order.objects.values_list("close_attempts", flat=True).get(pk=pk) + 1
    Order.objects.filter(pk=pk, state=State.OPEN).update(close_attempts=attempts, sweep_at=now + backoff(attempts))


def _run(work: Callable[[int], str], items: list[int], threads: int) -> list[str]:
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads, thread_name_prefix="close") as pool:
        return list(pool.map(partial(_with_own_connection, work), items))


def _with_own_connection(work: Callable[[int], str], item: int) -> str:
    try:
        return work(item)
    finally:
        connection.close()
