"""What all services of this app use: the merchant of a payment, the lock wait, the money log, the sweeps."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import structlog
from django.db import connection, transaction

from core.audit import actor_facts
from core.observe import tracing
from payments.errors import GatewayError, MerchantUnknown, PaymentNotConfigured, ProviderDown
from payments.gateways.base import PaymentResult
from payments.gateways.wechat import merchant_of, merchants
from payments.gateways.wechat.merchant import Merchant
from payments.models import Payment, PaymentLog, PaymentStatus, Refund

log = structlog.get_logger("payments")
SYSTEM = "系统"
LOCK_WAIT_MS = 3000  # the provider waits 5 s for the answer to a notification
BATCH = 50
MAX_SWEEP_S = 12.0  # begin no call after this: the next sweep begins after 15 s
GIVE_UP_AFTER = 2  # calls without an answer: the rest would only time out too
T = TypeVar("T")
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


def payee(payment: Payment) -> Merchant:
    """Return the merchant that a payment was made for: only with its keys does the provider answer about the payment.

    :raises MerchantUnknown: we have no keys of that merchant any more.
    """
    return merchant_of(payment.appid, payment.mch_id)


def payees(payment: Payment) -> list[tuple[str, str]]:
    """Return the (appid, merchant number) pairs that may have got a payment's money.

    That is the payment's own pair. For a payment stored before these columns existed, or of which we do not know by
    which app it was placed, it is each of ours.
    """
    if payment.mch_id and payment.appid:
        return [(payment.appid, payment.mch_id)]
    ours = [who for who in merchants() if payment.mch_id in ("", who.mch_id)]
    return [(appid, who.mch_id) for who in ours for appid in who.appids]


def limit_lock_wait() -> None:
    """Make this transaction fail if it waits over 3 s for a row lock; the provider or the sweep will try again."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")


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
    """Add one row to the money log, and at the commit a line to the log of the process.

    Call it in the transaction of the change that it tells of.
    """
    PaymentLog.objects.create(
        payment=payment,
        refund=refund,
        at=now,
        **actor_facts(actor),
        event=event,
        from_state=from_state,
        to_state=to_state,
        detail=detail[:255],
        request_id=tracing.current(),
    )
    # Not the actor or the detail: they may hold a name, a phone or an openid.
    number = {"refund": refund.out_refund_no} if refund else {}
    line = partial(log.info, "payment", order=payment.out_trade_no, step=event, state=to_state, **number)
    transaction.on_commit(line, robust=True)


def set_state(
    payment: Payment,
    state: str,
    event: str,
    now: datetime,
    *,
    refund: Refund | None = None,
    actor: str = SYSTEM,
    detail: str = "",
    **fields: Any,
) -> None:
    """Change the state of a payment, or of its refund, together with other fields, and log the step.

    The caller has locked the row.
    """
    row: Payment | Refund = refund or payment
    before, row.state = row.state, state
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=["state", *fields] if row.pk else None)
    log_step(payment, event, now, actor=actor, refund=refund, from_state=before, to_state=state, detail=detail)


def arrival_fields(result: PaymentResult, now: datetime) -> dict[str, Any]:
    """Return the fields of a payment that the provider's answer about its money fills. No sweep asks about it again."""
    fields: dict[str, Any] = {name: getattr(result, name) for name in ("appid", "mch_id", "transaction_id")}
    return fields | {"paid_at": result.paid_at or now, "next_check_at": None, "claimed_until": None, "last_error": ""}


def sweep(rows: Iterable[T], step: Callable[[T], GatewayError | bool], *, seconds: float = 0) -> int:
    """Take a step for each row that is due; return for how many. Any number of sweeps may run at once.

    Stop after 12 s, or when the provider has not answered twice; the rest stays due for the next sweep.

    :param step: claims the row first. Returns False if another sweep has it, or the error that the provider gave.
    :param seconds: instead of the 12.
    """
    ends_at, number, silent = time.monotonic() + (seconds or MAX_SWEEP_S), 0, 0
    for row in rows:
        try:
            outcome = step(row)
        except Exception:  # one row that fails (its order is locked too long, say) must not stop the others
            log.exception("sweep", row=str(row))
            outcome = True
        number += outcome is not False
        is_silence = isinstance(outcome, ProviderDown | PaymentNotConfigured)
        silent += is_silence and not isinstance(outcome, MerchantUnknown)
        if silent >= GIVE_UP_AFTER or time.monotonic() >= ends_at:
            break
    return number


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
