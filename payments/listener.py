"""How payments tells the app with the orders (the shop) about money: the shop registers functions to be called.

Payments must not import the shop, and does not know what an order is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import structlog

from core.registers import Register

log = structlog.get_logger("payments")


class PaidOutcome(Enum):
    """What the listener does with money that came in."""

    ACCEPTED = "accepted"  # the order is paid
    REFUND = "refund"  # the order cannot be served any more: give all of it back


@dataclass(frozen=True)
class PaymentListener:
    """What the app with the orders registers in its ``AppConfig.ready()``; each is called with keyword arguments.

    ``lock``, ``on_paid`` and ``on_refund_changed`` are called inside the transaction that records the money, in a
    savepoint of their own. If one raises, its own changes are undone and the money stays recorded; a sweep calls it
    again with growing pauses, and staff see the order under 异常 meanwhile. After the last try a payment is refunded.

    :param lock: ``lock(out_trade_no)``, called before the payment's row is locked, since rows are locked in the order
        order, payment, refund everywhere. It locks the order's row and returns its total in fen, or ``None`` when there
        is no such order: the caller then refuses the money.
    :param on_paid: ``on_paid(out_trade_no, paid_fen, transaction_id, paid_at, now)``, called once the payment's row
        says paid, with order and payment locked; also when the order is closed by now. After REFUND the caller refunds
        the whole payment in the same transaction. It may be called again for a payment that was accepted.
    :param on_refund_changed: ``on_refund_changed(out_trade_no, out_refund_no, amount_fen, state, staff, now)``, called
        after each change of a refund's state (a ``RefundStatus``), with order, payment and refund locked. The same
        state may be told twice. ``staff`` is the member of staff who caused the change; "" when it was the provider.
    :param describe: ``describe(out_trade_no)``, called for a page of the back office, without a lock; the page shows
        the line: buyer and goods.
    :param is_ours: ``is_ours(out_trade_no)``, called for each row of the provider's bill that we have no payment for;
        where it says no, the row counts as another system's, because others may share our merchant number.
    """

    lock: Callable[..., int | None]
    on_paid: Callable[..., PaidOutcome]
    on_refund_changed: Callable[..., None]
    describe: Callable[..., str] = lambda *, out_trade_no: ""
    is_ours: Callable[..., bool] = lambda *, out_trade_no: True

    def order_line(self, out_trade_no: str) -> str:
        """Return what ``describe`` says, "" when it fails: a page of the back office is no place to fail."""
        try:
            return self.describe(out_trade_no=out_trade_no)
        except Exception:
            log.exception("order not described", out_trade_no=out_trade_no)
            return ""


listener = Register[PaymentListener]("a payment listener")
