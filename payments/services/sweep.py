"""How the sweeps of payments and refunds share their time, and when a payment is due for its next question."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from payments.gateways.base import GatewayError, GatewayMisconfigured, GatewayUnreachable, MerchantUnknown
from payments.models import Payment, PaymentStatus

BATCH = 50
MOST_SWEEP_S = 12.0  # no new call after this: the next sweep begins after 15 s
GIVE_UP_AFTER = 2  # of a sweep, when the provider is silent: the rest of the batch would only wait as well
T = TypeVar("T")
_WATCH_OPEN = (
    (timedelta(minutes=2), timedelta(seconds=20)),
    (timedelta(minutes=15), timedelta(minutes=1)),
    (timedelta(hours=2), timedelta(minutes=10)),
    (timedelta(days=30), timedelta(hours=6)),
)
# Money for a closed order comes late or not at all: a scanned code, a slow bank.
_WATCH_CLOSED = (
    (timedelta(minutes=5), timedelta(minutes=1)),
    (timedelta(minutes=30), timedelta(minutes=10)),
    (timedelta(days=1), timedelta(hours=4)),
)


def in_a_sweep(due: Iterable[T]) -> Iterator[T]:
    """Yield what is due for as long as one sweep may take. The rest stays due for the next one."""
    ends = time.monotonic() + MOST_SWEEP_S
    for item in due:
        yield item
        if time.monotonic() >= ends:
            break


def is_silence(error: GatewayError | None) -> bool:
    """Tell whether the next call would most likely fail in the same way."""
    return isinstance(error, GatewayUnreachable | GatewayMisconfigured) and not isinstance(error, MerchantUnknown)


def check_due(payment: Payment, now: datetime) -> datetime | None:
    """When the sweep should ask about the payment again: often while it is young, never once it is settled."""
    if payment.state in (PaymentStatus.PAID, PaymentStatus.STRAY):
        return None
    closed = payment.state == PaymentStatus.CLOSED
    age = now - ((payment.closed_at or now) if closed else payment.created_at)
    for until, every in _WATCH_CLOSED if closed else _WATCH_OPEN:
        if age < until:
            return now + every
    return None
