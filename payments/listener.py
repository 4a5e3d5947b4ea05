"""How an app above (the shop) hears of money without this app knowing what an order is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class PaidOutcome(Enum):
    """What the listener does with money that came in."""

    ACCEPTED = "accepted"  # the order is paid
    REFUND = "refund"  # the order cannot be served any more: give all of it back


class OnPaid(Protocol):
    def __call__(self, *, out_trade_no: str, paid_fen: int, transaction_id: str, paid_at, now) -> PaidOutcome: ...


class OnRefundChanged(Protocol):
    def __call__(
        self, *, out_trade_no: str, out_refund_no: str, amount_fen: int, state: str, now, staff: str
    ) -> None: ...


@dataclass(frozen=True)
class PaymentListener:
    """What the owner of the orders hands over in its ``AppConfig.ready()``.

    Everything but ``describe`` and ``is_ours`` is called inside the transaction that records the money, with the order
    locked by ``lock`` first: the lock order is order row, payment row, refund row, everywhere. An exception
    from a callback undoes the whole step, and the provider will notify again.

    :param lock: ``lock(out_trade_no=...)`` locks the order's row and answers what it costs in fen,
        or ``None`` when there is no such order.
    :param on_paid: called once per payment, whatever the order's state by then.
    :param on_refund_changed: ``state`` is a value of ``payments.models.RefundStatus``. May be told the same
        state twice. ``staff`` names who did it, "" is the provider.
    :param describe: one line for the back office: whose order, of what. Takes no lock.
    :param is_ours: whether a number has the form of our orders' numbers: others share our merchant number.
    """

    lock: Callable[..., int | None]
    on_paid: OnPaid
    on_refund_changed: OnRefundChanged
    describe: Callable[..., str] = lambda *, out_trade_no: ""
    is_ours: Callable[..., bool] = lambda *, out_trade_no: True


_listener: PaymentListener | None = None


def register_listener(listener: PaymentListener) -> None:
    """Make ``listener`` the one that hears of payments and refunds."""
    global _listener
    _listener = listener


def listener() -> PaymentListener:
    """:raises RuntimeError: no app has registered; a deployment without orders takes no money."""
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
