"""Closing an unpaid order: for its buyer, for the back office, or because its deadline has passed.

The buyer may be paying at that moment. So the request is stored first (``Order.closing``), then the payment is closed
at the provider, and only when that has succeeded does the order close and its stock return.
"""

from datetime import datetime, timedelta

from django.db import transaction

from payments.services import CloseOutcome, payment_close
from shop.errors import OrderRefused, ProviderUndecided
from shop.models import Order
from shop.services.order_move import SYSTEM, order_lock, order_move, order_note, require
from shop.states import Event, State, refusal

# How long a process closes a payment alone; after that any sweep may close it. Short, because the process may have
# been killed; closing twice does no harm.
CLAIM = timedelta(seconds=4)
MAX_BACKOFF_S = 30
SOON = timedelta(seconds=1)  # while a payment is being placed at the provider


def order_cancel(*, order_id: str, buyer_pk: int, actor: str, now: datetime) -> Order:
    """Cancel an unpaid order for its buyer. Not in a transaction: it asks the provider, at most 20 s.

    :raises RecordUnknown: the buyer has no such order.
    :raises OrderRefused: its state does not allow it.
    :raises ProviderUndecided: the provider did not answer; a sweep cancels the order once it knows that it is unpaid.
    """
    return _close(order_id, Event.CANCEL, actor, now, buyer_pk)


def order_close(*, order_id: str, event: Event, actor: str, reason: str = "", now: datetime) -> Order:
    """Close (``Event.CLOSE``) or invalidate (``Event.INVALIDATE``) an unpaid order for the back office.

    :param reason: goes into the log.
    :raises RecordUnknown, OrderRefused: as for :func:`order_cancel`.
    """
    return _close(order_id, event, actor, now, None, reason)


def _close(order_id: str, event: Event, actor: str, now: datetime, buyer_pk: int | None, reason: str = "") -> Order:
    order = _request_close(order_id, event, actor, now, buyer_pk, reason)
    if order.state == State.OPEN:
        order = order_try_close(order_pk=order.pk, now=now)
    expected = require(State.OPEN, event).to
    if order.state == expected:
        return order
    if order.state == State.OPEN:
        raise ProviderUndecided
    raise OrderRefused(refusal(State(order.state), event))


@transaction.atomic
def _request_close(order_id: str, event: Event, actor: str, now: datetime, buyer_pk: int | None, reason: str) -> Order:
    """Close an order whose payment was never started; else store who asked. No payment starts from then on."""
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    require(order.effective_state(now) if buyer_pk is not None else State(order.state), event)
    if order.payment_started_at is None:
        order_move(order=order, event=event, actor=actor, now=now, detail=reason)
        return order
    if reason:
        order_note(order=order, event=f"要求{event.label}", actor=actor, now=now, detail=reason)
    order.closing, order.closing_by = event, actor[:64]
    order.sweep_at = now + CLAIM
    order.save(update_fields=["closing", "closing_by", "sweep_at"])
    return order


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
        try_close_locked(order, outcome, now)
        return order


def try_close_locked(order: Order, outcome: CloseOutcome | None, now: datetime) -> None:
    """Close an order whose row is locked, if it is due and ``outcome`` allows it; else set when the sweep tries again.

    :param outcome: what came of closing the payment; None if the provider was not asked.
    """
    if order.state != State.OPEN:
        return
    event = _due_event(order, now)
    if event is None:  # a payment was started meanwhile, which moved the deadline
        _sweep_again(order, order.expires_at)
    elif outcome is CloseOutcome.CLOSED or order.payment_started_at is None:
        order_move(order=order, event=event, actor=order.closing_by or SYSTEM, now=now)
    elif outcome is CloseOutcome.STARTING:
        _sweep_again(order, now + SOON)
    else:
        _keep_waiting(order, now)


def _due_event(order: Order, now: datetime) -> Event | None:
    if order.closing:
        return Event(order.closing)
    return Event.EXPIRE if order.is_overdue(now) else None


def _keep_waiting(order: Order, now: datetime) -> None:
    """Keep the stock, since the provider did not answer; try again after a growing pause."""
    if order.close_attempts == 0:
        text = "微信支付没有确认关单，库存继续保留"
        order_note(order=order, event="等待关单", actor=SYSTEM, now=now, detail=text)
    order.close_attempts += 1
    _sweep_again(order, now + backoff(order.close_attempts))


def _sweep_again(order: Order, at: datetime) -> None:
    order.sweep_at = at
    order.save(update_fields=["sweep_at", "close_attempts"])


def backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(2 ** min(attempts, 10), MAX_BACKOFF_S))


@transaction.atomic
def order_hide(*, order_id: str, buyer_pk: int, actor: str, now: datetime) -> None:
    """Hide an order from its buyer; the row stays.

    :raises RecordUnknown: the buyer has no such order.
    :raises OrderRefused: the order is not finished yet.
    """
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    order_move(order=order, event=Event.HIDE, actor=actor, now=now, hidden_at=now)
