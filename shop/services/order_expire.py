"""The sweep that closes unpaid orders that have expired.

Any number of sweeps may run at once, any may be killed: the database says what is due.
"""

import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from core.db.claims import rows_claim, rows_keep
from shop.models import Order
from shop.services.order_close import CLAIM, backoff, order_try_close, try_close_locked
from shop.states import State

log = structlog.get_logger("shop")

# One run begins nothing new after this time. Beat starts the next run 2 s after this one started.
MAX_RUN_S = 20.0
# Closing a payment mostly waits for the provider, so this many are closed at once.
CLOSERS = 4
PATIENCE_S = 1.0  # a call that takes longer hangs; it continues, but frees its place for the next order
MAX_WAITING = 16  # calls at once, hanging ones included; a waiting call holds no database connection
MAX_AGAIN = 8  # calls at once for orders that failed before, so that new orders always find a place
GIVE_UP_AFTER = 4  # orders in a row that stayed open end the run, since the provider would not close the rest either
RENEW_S = 1.0  # claims are renewed this often, well before CLAIM ends


def orders_sweep(*, now: datetime, closers: int | None = None) -> int:
    """Close the orders that are due; return how many are not open any more.

    :param closers: how many payments are closed at once, not counting calls that hang; 1 works in the caller's
        thread and connection.
    """
    closers = closers or max(1, min(CLOSERS, settings.DB_POOL_SIZE // 2))
    began, moment = time.monotonic(), now
    finished = silent = 0
    under_way: dict[Future[str], _Closing] = {}
    with _threads(closers) as pool:
        while True:
            rows_keep([closing.order for closing in under_way.values()], sweep_at=moment + CLAIM)
            if time.monotonic() < began + MAX_RUN_S:
                finished += _close_never_paid(moment, began + MAX_RUN_S)
                if silent < GIVE_UP_AFTER:
                    for order in _claim(moment, closers, under_way.values()):
                        future = pool.submit(_try_close, order.pk, moment)
                        under_way[future] = _Closing(order, time.monotonic())
            if not under_way:
                return finished
            for done in wait(under_way, timeout=min(RENEW_S, PATIENCE_S), return_when=FIRST_COMPLETED).done:
                del under_way[done]
                is_finished = done.result() != State.OPEN
                finished += is_finished
                silent = 0 if is_finished else silent + 1
            moment = now + timedelta(seconds=time.monotonic() - began)


class _Closing(NamedTuple):
    order: Order
    began: float


def _due(now: datetime) -> QuerySet[Order]:
    # Skip locked rows: another process is paying, cancelling or sweeping the order now.
    return Order.objects.select_for_update(skip_locked=True, no_key=True).filter(sweep_at__lte=now).order_by("sweep_at")


def _close_never_paid(now: datetime, ends: float) -> int:
    """Close due orders whose payment was never started: without the provider, in one short transaction each."""
    finished = 0
    while time.monotonic() < ends:
        pk = _close_next(now)
        if pk is None:
            break
        finished += 1
    return finished


def _close_next(now: datetime) -> int | None:
    order = None
    try:
        with transaction.atomic():
            order = _due(now).filter(payment_started_at=None).first()
            if order is None:
                return None
            try_close_locked(order, None, now)
    except Exception:  # one broken order must not hold up the others
        if order is None:
            raise
        _try_later(order.pk, now)
    return order.pk


def _claim(now: datetime, closers: int, under_way: Collection[_Closing]) -> list[Order]:
    """Claim orders whose payment was started, those that never failed first; their payments must be closed first."""
    # A call that hangs has given up its place to the next order, so only the others count here.
    brisk = sum(time.monotonic() - closing.began < PATIENCE_S for closing in under_way)
    again = sum(closing.order.close_attempts > 0 for closing in under_way)
    limit = min(closers - brisk, MAX_WAITING - len(under_way))
    started = _due(now).exclude(payment_started_at=None).only("sweep_at", "close_attempts")
    claimed: list[Order] = []
    if limit > 0:
        claimed += rows_claim(started.filter(close_attempts=0), limit=limit, sweep_at=now + CLAIM)
    if (limit := min(limit - len(claimed), MAX_AGAIN - again)) > 0:
        claimed += rows_claim(started.filter(close_attempts__gt=0), limit=limit, sweep_at=now + CLAIM)
    return claimed


def _try_close(pk: int, now: datetime) -> str:
    try:
        return order_try_close(order_pk=pk, now=now).state
    except Exception:
        _try_later(pk, now)
        return State.OPEN


def _try_later(pk: int, now: datetime) -> None:
    log.exception("order not finished", order_pk=pk)
    attempts = Order.objects.values_list("close_attempts", flat=True).get(pk=pk) + 1
    Order.objects.filter(pk=pk, state=State.OPEN).update(close_attempts=attempts, sweep_at=now + backoff(attempts))


def _threads(number: int) -> Executor:
    return _Threads(MAX_WAITING, thread_name_prefix="close") if number > 1 else _Caller()


class _Threads(ThreadPoolExecutor):
    """A pool whose threads close their database connection after each piece of work."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        # With the context of the sweep, so that the log lines of the thread name the task and its id.
        return super().submit(copy_context().run, _with_own_connection, work, *args, **options)


class _Caller(Executor):
    """An executor without threads: it does the work at once, in the caller's thread."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **options))
        return done


def _with_own_connection(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        return work(*args, **options)
    finally:
        connection.close()
