"""Limits of the sweeps over payments and refunds, and when a payment is asked about next."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from payments.gateways.base import GatewayError, GatewayMisconfigured, GatewayUnreachable, MerchantUnknown
from payments.models import Payment, PaymentStatus

BATCH = 50
MOST_SWEEP_S = 12.0  # begin no call after this: the next sweep begins after 15 s
GIVE_UP_AFTER = 2  # calls without an answer end a sweep, since the rest of the batch would only time out too
T = TypeVar("T")
# Pairs of (age, pause): a payment younger than the age is asked about after the pause.
_WATCH_OPEN = (
    (timedelta(minutes=2), timedelta(seconds=20)),
    (timedelta(minutes=15), timedelta(minutes=1)),
    (timedelta(hours=2), timedelta(minutes=10)),
    (timedelta(days=30), timedelta(hours=6)),
)
# A closed order is rarely paid, and then soon: its code was scanned before it closed, or a bank was slow.
_WATCH_CLOSED = (
    (timedelta(minutes=5), timedelta(minutes=1)),
    (timedelta(minutes=30), timedelta(minutes=10)),
    (timedelta(days=1), timedelta(hours=4)),
)


def in_a_sweep(due: Iterable[T]) -> Iterator[T]:
    """Yield items until the time of one sweep is over. The rest stays due for the next sweep."""
    ends = time.monotonic() + MOST_SWEEP_S
    for item in due:
        yield item
        if time.monotonic() >= ends:
            break


def is_silence(error: GatewayError | None) -> bool:
    """Tell whether the provider did not answer, so that the next call would most likely fail as well."""
    return isinstance(error, GatewayUnreachable | GatewayMisconfigured) and not isinstance(error, MerchantUnknown)


def check_due(payment: Payment, now: datetime) -> datetime | None:
    """Return when the sweep asks about the payment again: often while it is young, None once its state is final."""
    if payment.state in (PaymentStatus.PAID, PaymentStatus.STRAY):
        return None
    closed = payment.state == PaymentStatus.CLOSED
    age = now - ((payment.closed_at or now) if closed else payment.created_at)
    for until, every in _WATCH_CLOSED if closed else _WATCH_OPEN:
        if age < until:
            return now + every
    return None
