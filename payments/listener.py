"""How payments tells the app with the orders (the shop) about money: the shop registers functions to be called.

Payments must not import the shop, and does not know what an order is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

import structlog

from core.registers import Register

log = structlog.get_logger("payments")


class PaidOutcome(Enum):
    """What the listener does with money that came in."""

    ACCEPTED = "accepted"  # the order is paid
    REFUND = "refund"  # the order cannot be served any more: give all of it back


class OnPaid(Protocol):
    """Called once the payment's row says paid, with order and payment locked; also when the order is closed by now.

    After REFUND the caller refunds the whole payment in the same transaction. It may be called again for a payment
    that was accepted.
    """

    def __call__(
        self, *, out_trade_no: str, paid_fen: int, transaction_id: str, paid_at: datetime, now: datetime
    ) -> PaidOutcome: ...


class OnRefundChanged(Protocol):
    """Called after each change of a refund's state, with order, payment and refund locked.

    :param state: a value of ``payments.models.RefundStatus``. The same one may be told twice.
    :param staff: the member of staff who caused the change; "" when it was the provider.
    """

    def __call__(
        self, *, out_trade_no: str, out_refund_no: str, amount_fen: int, state: str, now: datetime, staff: str
    ) -> None: ...


@dataclass(frozen=True)
class PaymentListener:
    """What the app with the orders registers in its ``AppConfig.ready()``.

    ``lock``, ``on_paid`` and ``on_refund_changed`` are called inside the transaction that records the money, in a
    savepoint of their own. If one raises, its own changes are undone and the money stays recorded; a sweep calls it
    again with growing pauses, and staff see the order under 异常 meanwhile. After the last try a payment is refunded.

    :param lock: called before the payment's row is locked, since rows are locked in the order order, payment, refund
        everywhere. ``lock(out_trade_no=...)`` locks the order's row and returns its total in fen, or ``None`` when
        there is no such order: the caller then refuses the money.
    :param describe: called for a page of the back office, without a lock; the page shows the line: buyer and goods.
    :param is_ours: called for each row of the provider's bill that we have no payment for; where it says no, the row
        counts as another system's, because others may share our merchant number.
    """

    lock: Callable[..., int | None]
    on_paid: OnPaid
    on_refund_changed: OnRefundChanged
    describe: Callable[..., str] = lambda *, out_trade_no: ""
    is_ours: Callable[..., bool] = lambda *, out_trade_no: True

    def order_line(self, out_trade_no: str) -> str:
        """Return what ``describe`` says, "" when it fails: a page of the back office is no place to fail."""
        return str(_answer(self.describe, out_trade_no, otherwise=""))

    def may_own(self, out_trade_no: str) -> bool:
        """Return what ``is_ours`` says, True when it fails: money is better asked about than passed over."""
        return bool(_answer(self.is_ours, out_trade_no, otherwise=True))


def _answer(question: Callable[..., Any], out_trade_no: str, *, otherwise: Any) -> Any:
    try:
        return question(out_trade_no=out_trade_no)
    except Exception:
        log.exception("order not described", out_trade_no=out_trade_no)
        return otherwise


listener = Register[PaymentListener]("a payment listener")
