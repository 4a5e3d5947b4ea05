"""Closing an unpaid order: for its buyer, for the back office, or because its deadline has passed.

The buyer may be paying at that moment. So the request is stored first (``Order.closing``), then the payment is closed
at the provider, and only when that has succeeded does the order close and its stock return.

Any number of sweeps may run at once, any may be killed: the database says what is due.
"""

import time
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from accounts.selectors import actor_named
from payments.services.query_close import CloseOutcome, payment_close
from shop.errors import OrderRefused, ProviderUndecided
from shop.models import Order
from shop.order_states import Event, Note, State, refusal
from shop.services.order_move import SYSTEM, order_lock, order_move, order_note, require

log = structlog.get_logger("shop")

# How long a process closes a payment alone; after that any sweep may close it. Short, because the process may have
# been killed; closing twice does no harm.
CLAIM = timedelta(seconds=4)
MAX_BACKOFF_S = 30
_ASKED = {Event.CANCEL: Note.CANCEL_ASKED, Event.CLOSE: Note.CLOSE_ASKED, Event.INVALIDATE: Note.INVALIDATE_ASKED}
SOON = timedelta(seconds=1)  # while a payment is being placed at the provider
MAX_RUN_S = 20.0  # one sweep begins nothing new after this time; beat starts the next 2 s after this one started


def order_close(
    *, order_id: str, event: Event, actor: str, now: datetime, buyer_pk: int | None = None, reason: str = ""
) -> None:
    """Cancel an unpaid order for its buyer, or close or invalidate it for the back office.

    Not in a transaction: it asks the provider, in a request for 6 s at most.

    :param event: CANCEL with ``buyer_pk``; CLOSE or INVALIDATE without.
    :param reason: goes into the log.
    :raises RecordUnknown: there is no such order, or the buyer has none.
    :raises OrderRefused: its state does not allow it.
    :raises ProviderUndecided: the provider did not answer; a sweep closes the order once it knows that it is unpaid.
    """
    with transaction.atomic():
        order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
        require(State(order.state) if buyer_pk is None else order.effective_state(now), event)
        if order.payment_started_at is None:
            order_move(order=order, event=event, actor=actor, now=now, detail=reason)
            return
        if reason:
            order_note(order=order, event=_ASKED[event], actor=actor, now=now, detail=reason)
        # No payment starts from then on, and the sweep goes on where this process dies.
        order.closing, order.closing_by, order.sweep_at = event, actor[:64], now + CLAIM
        order.save(update_fields=["closing", "closing_by", "sweep_at"])
    order = order_try_close(order_pk=order.pk, now=now)
    if order.state == State.OPEN:
        raise ProviderUndecided
    if order.state != require(State.OPEN, event).to:
        raise OrderRefused(refusal(State(order.state), event))


def order_try_close(*, order_pk: int, now: datetime) -> Order:
    """Close an order that is overdue or was asked to close: first its payment at the provider, then the order.

    Safe to call twice at once. Returns the order: still open if the provider did not answer, paid if it was paid first.
    """
    order = Order.objects.only("order_id", "payment_started_at").get(pk=order_pk)
    outcome = None
    if order.payment_started_at is not None:
        outcome = payment_close(out_trade_no=order.order_id, now=now)
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).get(pk=order_pk)
        if order.state == State.OPEN:
            _close_or_wait(order, outcome, now)
    return order


def _close_or_wait(order: Order, outcome: CloseOutcome | None, now: datetime) -> None:
    """Close an open order if it is due and ``outcome`` allows it; else set when the sweep tries again.

    :param outcome: what came of closing the payment; None if the provider was not asked.
    """
    if not order.closing and not order.is_overdue(now):  # a payment was started meanwhile, which moved the deadline
        order.sweep_at = order.expires_at
    elif outcome is CloseOutcome.CLOSED or order.payment_started_at is None:
        event = Event(order.closing or Event.EXPIRE)
        actor = actor_named(order.closing_by) if order.closing_by else SYSTEM
        order_move(order=order, event=event, actor=actor, now=now)
        return
    elif outcome is CloseOutcome.STARTING:
        order.sweep_at = now + SOON
    else:  # the provider did not answer: the stock stays taken
        if order.close_attempts == 0:
            text = "微信支付没有确认关单，库存继续保留"
            order_note(order=order, event=Note.CLOSE_WAITS, actor=SYSTEM, now=now, detail=text)
        order.close_attempts += 1
        order.sweep_at = now + backoff(order.close_attempts)
    order.save(update_fields=["sweep_at", "close_attempts"])


def backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(2 ** min(attempts, 10), MAX_BACKOFF_S))


# --- The sweep ---
def orders_sweep(*, now: datetime) -> int:
    """Close the orders that are due; return how many are not open any more. Not in a transaction: asks the provider.

    Orders whose payment was never started come first, those that the provider did not close before come last. So one
    on which the provider hangs holds up few others, and the next sweep works on those meanwhile.
    """
    began, number, moment = time.monotonic(), 0, now
    while moment < now + timedelta(seconds=MAX_RUN_S) and (order := _claim(moment)):
        number += _try_close(order.pk, moment)
        moment = now + timedelta(seconds=time.monotonic() - began)
    return number


def _claim(now: datetime) -> Order | None:
    """Take the order that is next for this sweep alone, until ``CLAIM`` is over; afterwards its row is not locked."""
    orders = Order.objects.filter(sweep_at__lte=now).only("pk")
    orders = orders.order_by("close_attempts", F("payment_started_at").asc(nulls_first=True), "pk")
    with transaction.atomic(durable=True):
        # Skip locked rows: another process is paying, cancelling or sweeping the order now.
        order = orders.select_for_update(skip_locked=True, no_key=True).first()
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
