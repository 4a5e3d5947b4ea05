"""Asking the provider for the state of a payment, for a client that polls and in a sweep; closing it there."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import structlog
from django.db import transaction

from core.observe import tracing
from payments.errors import AlreadyClosed, AlreadyPaid, GatewayError, OrderUnknown, PaymentError
from payments.gateways.wechat import gateway_to_ask
from payments.models import Payment, PaymentStatus
from payments.services.confirm import payment_mark_closed, payment_record
from payments.services.payee import payee
from payments.services.query_times import check_due
from payments.services.sweep import BATCH, sweep

log = structlog.get_logger("payments")


def payment_query(*, out_trade_no: str, now: datetime, min_interval_s: float = 5) -> dict[str, Any]:
    """Ask the provider for the state of a payment and record it. Not inside a transaction: it takes at most 8 s.

    Return the provider's whole answer, the documented object of 6.2; ``{}`` when it was not asked.

    :param min_interval_s: the provider is not asked if a caller asked less than this ago, if the payment is paid, or if
        none was started. 0 asks always.
    :raises WeChatRefused: the provider answered with an error of the table (ORDERNOTEXIST...).
    :raises ProviderDown, ProviderTimeout, PaymentNotConfigured: as named; nothing changed.
    :raises PaymentMismatch: it is paid there, but with another amount or merchant. Logged; nothing changed.
    """
    payment = Payment.objects.filter(out_trade_no=out_trade_no).first()
    if min_interval_s and not (payment and _may_ask(payment, now, min_interval_s)):
        return {}
    result = gateway_to_ask(payee(payment) if payment else None).query(out_trade_no)
    payment_record(result=result, now=now, source="主动查询")
    return result.answer


def _may_ask(payment: Payment, now: datetime, min_interval_s: float) -> bool:
    """Claim the question by moving ``last_query_at``: of many pollers at once only one gets True."""
    if payment.state in (PaymentStatus.PAID, PaymentStatus.STRAY):
        return False
    not_lately = Payment.objects.exclude(last_query_at__gt=now - timedelta(seconds=min_interval_s))
    return bool(not_lately.filter(pk=payment.pk).update(last_query_at=now))


def payments_query_due(*, now: datetime) -> int:
    """Ask the provider about the payments that are due; return how many were asked about.

    Closed payments stay due for a day, so that late money is found although its notification was lost.
    """
    payments = Payment.objects.filter(next_check_at__lte=now).order_by("next_check_at")[:BATCH]
    return sweep(payments, lambda payment: _claim(payment, now) and _reconcile(payment, now))


def _claim(payment: Payment, now: datetime) -> bool:
    """Claim one payment by moving its next check; return whether this sweep got it.

    A locked row is skipped: another transaction is recording its state now.
    """
    with transaction.atomic():
        mine = Payment.objects.select_for_update(skip_locked=True, no_key=True)
        if not mine.filter(pk=payment.pk, next_check_at=payment.next_check_at).exists():
            return False
        check_at = check_due(payment, now)
        Payment.objects.filter(pk=payment.pk).update(next_check_at=check_at, last_query_at=now)
        return True


def _reconcile(payment: Payment, now: datetime) -> GatewayError | bool:
    """Ask about one payment and record the answer; return the error if there was no answer."""
    tracing.about(order=payment.out_trade_no)
    try:
        result = gateway_to_ask(payee(payment)).query(payment.out_trade_no)
        payment_record(result=result, now=now, source="对账")
    except OrderUnknown:
        pass  # the order was never placed there; it closes when it expires
    except GatewayError as error:
        log.warning("payment not asked about", out_trade_no=payment.out_trade_no, reason=str(error))
        return error
    except PaymentError as error:
        log.error("payment does not reconcile", out_trade_no=payment.out_trade_no, reason=error.msg)
    return True


# --- Closing, before the order gives the stock back ---
class CloseOutcome(Enum):
    CLOSED = "closed"  # the provider will not take money for it (or never heard of it)
    PAID = "paid"  # it was paid, which is recorded by now: the order must not be closed
    STARTING = "starting"  # a call is placing it at the provider now: keep the stock, ask again soon
    UNKNOWN = "unknown"  # the provider could not say: keep the stock, ask again later


_OUTCOME = {
    PaymentStatus.PAID.value: CloseOutcome.PAID,
    PaymentStatus.CLOSED.value: CloseOutcome.CLOSED,
    PaymentStatus.STRAY.value: CloseOutcome.CLOSED,  # the money goes back: the order was not paid, and cannot be
}
LATEST_PAYMENT = timedelta(minutes=5)  # a payment that the buyer began before time_expire may finish this much later
_BEING_PAID = {"USERPAYING", "ACCEPT"}


def payment_close(*, out_trade_no: str, now: datetime) -> CloseOutcome:
    """Close a payment at the provider, after asking whether it is paid; return what came of it.

    Errors of the provider are not raised but answered as UNKNOWN. Not inside a transaction: it asks up to three
    times, for 8 s each, or for the time that is left within ``answer_within``.
    """
    tracing.about(order=out_trade_no)
    payment = Payment.objects.filter(out_trade_no=out_trade_no).first()
    if payment is None:
        return CloseOutcome.CLOSED
    if payment.state in _OUTCOME:
        return _OUTCOME[payment.state]
    if payment.claimed_until and payment.claimed_until > now:
        return CloseOutcome.STARTING
    try:
        return _close(payment, now)
    except PaymentError as error:
        reason = str(error) if error.code else f"{type(error).__name__} {error}"[:255]
        Payment.objects.filter(pk=payment.pk).update(last_error=reason)
        log.warning("payment not closed", out_trade_no=out_trade_no, reason=reason)
        return CloseOutcome.UNKNOWN


def _close(payment: Payment, now: datetime) -> CloseOutcome:
    """Ask, then close.

    :raises PaymentError: whether the payment is closed is not known.
    """
    gateway, number = gateway_to_ask(payee(payment)), payment.out_trade_no
    try:
        result = gateway.query(number)
    except OrderUnknown:
        pass  # the provider has no order, or does not show it yet: close it in either case
    else:
        state = payment_record(result=result, now=now, source="关单前查询")
        if state in _OUTCOME:
            return _OUTCOME[state]
        if result.trade_state in _BEING_PAID:
            return CloseOutcome.UNKNOWN
    try:
        gateway.close(number)
    except AlreadyPaid:
        # It was paid after the query.
        state = payment_record(result=gateway.query(number), now=now, source="关单前查询")
        return _OUTCOME.get(state, CloseOutcome.UNKNOWN)
    except (AlreadyClosed, OrderUnknown):
        pass
    except GatewayError:
        if now < payment.time_expire + LATEST_PAYMENT:
            raise
        # The query said unpaid, and after its deadline it cannot be paid: the close need not succeed.
    return _OUTCOME[payment_mark_closed(payment, now=now, source="关单前查询")]
