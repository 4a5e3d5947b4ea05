"""Giving up an unpaid order: by its buyer, by the back office, or because its time is over.

Money may be on its way at that moment. So the wish is written down first, then the payment is closed at the
provider, and only when that is certain does the order close and its stock return.
"""

from datetime import datetime, timedelta

from django.db import transaction

from payments.services import CloseOutcome, payment_close
from shop.errors import OrderRefused, ProviderUndecided
from shop.models import Order
from shop.services.order_move import SYSTEM, order_lock, order_move, order_note, require
from shop.states import Event, State, refusal

# How long one who closes a payment is left alone; after that any sweep goes on with it. Short, because the one may
# have been killed; closing twice does no harm.
CLAIM = timedelta(seconds=4)
MOST_BACKOFF_S = 30
SOON = timedelta(seconds=1)  # while a payment is being placed at the provider


def order_cancel(*, order_id: str, buyer_pk: int, actor: str, now: datetime) -> Order:
    """Cancel one's own unpaid order. Not in a transaction: it asks the provider, at most 20 s.

    :raises RecordUnknown, OrderRefused: as named; ``ProviderUndecided``: it will be cancelled as soon as is certain.
    """
    return _give_up(order_id, Event.CANCEL, actor, now, buyer_pk)


def order_close(*, order_id: str, event: Event, actor: str, now: datetime) -> Order:
    """Close (``Event.CLOSE``) or invalidate (``Event.INVALIDATE``) an unpaid order for the back office.

    :raises RecordUnknown, OrderRefused: as for :func:`order_cancel`.
    """
    return _give_up(order_id, event, actor, now, None)


def _give_up(order_id: str, event: Event, actor: str, now: datetime, buyer_pk: int | None) -> Order:
    order = _wish(order_id, event, actor, now, buyer_pk)
    if order.state == State.OPEN:
        order = order_try_close(order_pk=order.pk, now=now)
    wanted = require(State.OPEN, event).to
    if order.state == wanted:
        return order
    if order.state == State.OPEN:
        raise ProviderUndecided
    raise OrderRefused(refusal(State(order.state), event))


@transaction.atomic
def _wish(order_id: str, event: Event, actor: str, now: datetime, buyer_pk: int | None) -> Order:
    """Close at once what nobody can be paying; else note who wants what. From here on no payment starts."""
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    require(order.effective_state(now) if buyer_pk is not None else State(order.state), event)
    if order.payment_started_at is None:
        order_move(order=order, event=event, actor=actor, now=now)
        return order
    order.closing, order.closing_by = event, actor[:64]
    order.sweep_at = now + CLAIM
    order.save(update_fields=["closing", "closing_by", "sweep_at"])
    return order


def order_try_close(*, order_pk: int, now: datetime) -> Order:
    """Close an order that is overdue or given up, upstream first. May run twice, also at once: one of them does it.

    Answers the order as it is then: still open if the provider could not say, paid if the money was faster.
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
    """Do what is due for an order whose row is locked. ``outcome`` is what the provider said; None: nobody asked."""
    if order.state != State.OPEN:
        return
    event = _due_event(order, now)
    if event is None:  # a payment was started meanwhile: there is a new deadline
        _look_again(order, order.expires_at)
    elif outcome is CloseOutcome.CLOSED or order.payment_started_at is None:
        order_move(order=order, event=event, actor=order.closing_by or SYSTEM, now=now)
    elif outcome is CloseOutcome.STARTING:
        _look_again(order, now + SOON)
    else:
        _hold_on(order, now)


def _due_event(order: Order, now: datetime) -> Event | None:
    if order.closing:
        return Event(order.closing)
    return Event.EXPIRE if order.is_overdue(now) else None


def _hold_on(order: Order, now: datetime) -> None:
    """The provider did not say: keep the stock, ask again later and later."""
    if order.close_attempts == 0:
        text = "微信支付没有确认关单,库存继续保留"
        order_note(order=order, event="等待关单", actor=SYSTEM, now=now, detail=text)
    order.close_attempts += 1
    _look_again(order, now + backoff(order.close_attempts))


def _look_again(order: Order, at: datetime) -> None:
    order.sweep_at = at
    order.save(update_fields=["sweep_at", "close_attempts"])


def backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(2 ** min(attempts, 10), MOST_BACKOFF_S))
