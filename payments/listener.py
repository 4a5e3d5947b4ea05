"""How payments tells the app with the orders (the shop) about money: the shop registers functions to be called.

Payments must not import the shop, and does not know what an order is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol


class PaidOutcome(Enum):
    """What the listener does with money that came in."""

    ACCEPTED = "accepted"  # the order is paid
    REFUND = "refund"  # the order cannot be served any more: give all of it back


class OnPaid(Protocol):
    def __call__(
        self, *, out_trade_no: str, paid_fen: int, transaction_id: str, paid_at: datetime, now: datetime
    ) -> PaidOutcome: ...


class OnRefundChanged(Protocol):
    def __call__(
        self, *, out_trade_no: str, out_refund_no: str, amount_fen: int, state: str, now: datetime, staff: str
    ) -> None: ...


@dataclass(frozen=True)
class PaymentListener:
    """What the app with the orders registers in its ``AppConfig.ready()``.

    All functions but ``describe`` and ``is_ours`` are called inside the transaction that records the money. ``lock``
    is called first: rows are locked in the order order, payment, refund everywhere. An exception from a function
    rolls the transaction back, and the provider will notify again.

    :param lock: ``lock(out_trade_no=...)`` locks the order's row and returns its total in fen,
        or ``None`` when there is no such order.
    :param on_paid: called once per payment, also when the order has been closed since.
    :param on_refund_changed: ``state`` is a value of ``payments.models.RefundStatus``. May be called twice
        with the same state. ``staff`` is the member of staff who caused the change; "" when it was the provider.
    :param describe: returns one line for the back office: buyer and goods of an order. Takes no lock.
    :param is_ours: tells whether a number has the form of our order numbers; other systems may share our
        merchant number.
    """

    lock: Callable[..., int | None]
    on_paid: OnPaid
    on_refund_changed: OnRefundChanged
    describe: Callable[..., str] = lambda *, out_trade_no: ""
    is_ours: Callable[..., bool] = lambda *, out_trade_no: True


_listener: PaymentListener | None = None


def register_listener(listener: PaymentListener) -> None:
    """Make ``listener`` the one that is told of payments and refunds."""
    global _listener
    _listener = listener


def listener() -> PaymentListener:
    """Return the registered listener.

    :raises RuntimeError: no app has registered one.
    """
    if _listener is None:
        raise RuntimeError("no payment listener is registered")
    return _listener


@contextmanager
def listener_replaced(temporary: PaymentListener) -> Iterator[PaymentListener]:
    """Replace the listener for the length of a block (tests)."""
    global _listener
    before, _listener = _listener, temporary
    try:
        yield temporary
    finally:
        _listener = before
