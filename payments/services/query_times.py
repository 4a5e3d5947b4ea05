"""When the sweep asks the provider about a payment again."""

from datetime import datetime, timedelta

from payments.models import Payment, PaymentStatus

# Pairs of (age, pause): a payment younger than the age is asked about after the pause.
_WATCH_OPEN = (
    (timedelta(minutes=2), timedelta(seconds=20)),
    (timedelta(minutes=15), timedelta(minutes=1)),
    (timedelta(hours=2), timedelta(minutes=10)),
    (timedelta(days=30), timedelta(hours=6)),
)
# A closed order is rarely paid, and then soon: its code was scanned before it closed, or a bank was slow.
WATCH_CLOSED = (
    (timedelta(minutes=5), timedelta(minutes=1)),
    (timedelta(minutes=30), timedelta(minutes=10)),
    (timedelta(days=1), timedelta(hours=4)),
)


def check_due(payment: Payment, now: datetime) -> datetime | None:
    """Return when the sweep asks about the payment again: often while it is young, None once its state is final."""
    if payment.state in (PaymentStatus.PAID, PaymentStatus.STRAY):
        return None
    is_closed = payment.state == PaymentStatus.CLOSED
    age = now - ((payment.closed_at or now) if is_closed else payment.created_at)
    for until, every in WATCH_CLOSED if is_closed else _WATCH_OPEN:
        if age < until:
            return now + every
    return None
