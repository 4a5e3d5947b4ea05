"""The calls to the listener, the app with the orders: it is told of money here, and locks its order.

When a call fails, the money stays recorded, and ``listener_retry`` calls again.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from django.db import OperationalError, connection, transaction

from payments.listener import PaidOutcome, listener
from payments.models import ListenerFailure, Payment, Refund
from payments.services.money_log import log_step

log = structlog.get_logger("payments")
T = TypeVar("T")
# The pause after each failure. After the last one a payment is given back; a refund is told again every hour.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (0.25, 1, 5, 15, 30, 60))
LOCK_WAIT_MS = 3000  # the provider waits 5 s for the answer to a notification
NOT_TAKEN = "订单未能入账"


def limit_lock_wait() -> None:
    """Make this transaction fail if it waits over 3 s for a row lock; the provider or the sweep will try again."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")


def order_lock_total(out_trade_no: str, otherwise: int | None) -> int | None:
    """Lock the order's row and return its total in fen, None if there is no order.

    :param otherwise: the answer when the listener fails; None: its error is raised.
    :raises OperationalError: the row is locked for too long; the provider or a sweep will try again.
    """
    try:
        with transaction.atomic():
            return listener().lock(out_trade_no=out_trade_no)
    except OperationalError:
        raise
    except Exception:
        if otherwise is None:
            raise
        log.exception("order not locked", out_trade_no=out_trade_no)
        return otherwise


def lock_payment(out_trade_no: str) -> Payment:
    """Lock an order, then its payment; a refund is locked last. Every service locks in this order.

    :raises Payment.DoesNotExist: the order has no payment.
    """
    limit_lock_wait()
    order_lock_total(out_trade_no, 0)
    return Payment.objects.select_for_update().get(out_trade_no=out_trade_no)


def tell_paid(payment: Payment, now: datetime) -> PaidOutcome | None:
    """Tell the listener of a paid payment whose row is locked; None if that failed."""
    news = partial(
        listener().on_paid,
        paid_fen=payment.amount_fen,
        transaction_id=payment.transaction_id,
        paid_at=payment.paid_at or now,
    )
    return _tell(payment, None, news, now)


def tell_refund(payment: Payment, refund: Refund, now: datetime, *, staff: str = "") -> None:
    """Tell the listener of the state of a refund; its row and that of its payment are locked."""
    news = partial(
        listener().on_refund_changed,
        out_refund_no=refund.out_refund_no,
        amount_fen=refund.amount_fen,
        state=refund.state,
        staff=staff,
    )
    _tell(payment, refund, news, now)


def _tell(payment: Payment, refund: Refund | None, call: Callable[..., T], now: datetime) -> T | None:
    """Call the listener in a savepoint: when it raises, only what it did itself is undone, and the failure is kept."""
    number = {"out_trade_no": payment.out_trade_no, "out_refund_no": refund.out_refund_no if refund else ""}
    failures = ListenerFailure.objects.filter(**number)
    try:
        with transaction.atomic():
            listener().lock(out_trade_no=payment.out_trade_no)
            answer = call(out_trade_no=payment.out_trade_no, now=now)
    except Exception as error:
        log.exception("listener failed", **number)
        reason = f"{type(error).__name__}: {error}"[:255]
        attempts = (failures.values_list("attempts", flat=True).first() or 0) + 1
        next_try_at = now + PAUSES[min(attempts, len(PAUSES)) - 1]
        fields = {"attempts": attempts, "next_try_at": next_try_at, "error": reason}
        ListenerFailure.objects.update_or_create(**number, defaults=fields, create_defaults=fields | {"failed_at": now})
        if attempts == 1:
            log_step(payment, NOT_TAKEN, now, refund=refund, detail=reason)
        return None
    failures.delete()
    return answer
