"""Closing a payment at the provider before its order gives the stock back."""

from datetime import datetime

from payments.services.types import CloseOutcome


def payment_close(*, out_trade_no: str, now: datetime) -> CloseOutcome:
    """Query, then close at the provider. Never raises for the provider's sake. Not inside a transaction: at most 20 s.

    CLOSED: also when no payment was ever started. PAID: confirmed on the way, ``on_paid`` has run.
    UNKNOWN: keep the stock and call again with the next sweep.
    """
    raise NotImplementedError
