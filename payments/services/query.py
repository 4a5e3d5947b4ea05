"""Asking the provider what became of a payment."""

from datetime import datetime

from payments.services.types import PaymentState


def payment_query(*, out_trade_no: str, now: datetime, min_interval_s: float = 5) -> PaymentState:
    """Ask the provider (v3) and settle the order if it turns out paid. Not inside a transaction: at most 10 s.

    :param min_interval_s: with this much time not gone since the last question (of anyone), or when no payment was
        ever started, only tell what is known here (``asked`` is False). 0 asks always.
    :raises WeChatRefused: the provider answered with an error of the table (ORDERNOTEXIST...).
    :raises ProviderDown, ProviderTimeout, PaymentNotConfigured: as named; nothing changed.
    :raises PaymentMismatch: the provider calls it paid, but with another amount or merchant. Logged; nothing changed.
    """
    raise NotImplementedError
