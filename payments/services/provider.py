"""What the services share in dealing with the provider."""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connection

from payments.errors import (
    PaymentError,
    PaymentNotConfigured,
    ProviderBusy,
    ProviderDown,
    ProviderTimeout,
    WeChatRefused,
)
from payments.gateways.base import (
    GatewayBusy,
    GatewayError,
    GatewayMisconfigured,
    GatewayRefused,
    GatewayTimeout,
    GatewayUnreachable,
    MerchantUnknown,
)
from payments.gateways.wechat import merchant_of, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.models import Payment, PaymentLog, PaymentStatus, Refund

SYSTEM = "系统"
LOCK_WAIT_MS = 3000  # a notification must be answered within 5 s
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


def as_refusal(error: GatewayError) -> PaymentError:
    """Turn a gateway's error into the answer for the caller."""
    match error:
        case GatewayMisconfigured():
            return PaymentNotConfigured()
        case GatewayBusy():
            return ProviderBusy(**error.refused.error_options())
        case GatewayTimeout():
            return ProviderTimeout()
        case GatewayRefused() if error.code:
            return WeChatRefused(error.code, detail=error.message)
    if error.code:
        return WeChatRefused(error.code)
    return ProviderDown()


def payee(payment: Payment) -> Merchant:
    """The merchant that a payment was made for: it alone can be asked about it.

    :raises MerchantUnknown: we have no keys of it any more.
    """
    return merchant_of(payment.appid, payment.mch_id)


def payees(payment: Payment) -> list[tuple[str, str]]:
    """Appids and merchant numbers that its money may have gone to: its own; any of ours where that is not known."""
    if payment.mch_id:
        return [(payment.appid, payment.mch_id)]
    return [(who.appid, who.mch_id) for who in merchants()]


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


def limit_lock_wait() -> None:
    """Within this transaction, rather fail than wait long for a row: whoever asked will ask again."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")


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


def log_step(
    payment: Payment,
    event: str,
    now: datetime,
    *,
    actor: str = SYSTEM,
    refund: Refund | None = None,
    from_state: str = "",
    to_state: str = "",
    detail: str = "",
) -> None:
    """Write one line of the money log."""
    PaymentLog.objects.create(
        payment=payment,
        refund=refund,
        at=now,
        actor=actor[:64],
        event=event,
        from_state=from_state,
        to_state=to_state,
        detail=detail[:255],
    )
