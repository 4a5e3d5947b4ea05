"""Closing a payment at the provider before its order gives the stock back."""

from datetime import datetime, timedelta
from enum import Enum

import structlog

from core.observe import tracing
from payments.errors import PaymentError
from payments.gateways.base import AlreadyClosed, AlreadyPaid, GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_to_ask
from payments.models import Payment, PaymentStatus
from payments.services.common import payee
from payments.services.confirm import payment_mark_closed, payment_record

log = structlog.get_logger("payments")


class CloseOutcome(Enum):
    CLOSED = "closed"  # the provider will not take money for it (or never heard of it)
    PAID = "paid"  # it was paid, which is recorded by now: the order must not be closed
    STARTING = "starting"  # another call is placing it at the provider now: keep the stock, ask again soon
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

    Errors of the provider are not raised but answered as UNKNOWN. Not inside a transaction: it takes at most 20 s, or
    the time that is left within ``answer_within``.
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
    except (GatewayError, PaymentError) as error:
        said = f"{getattr(error, 'code', '') or type(error).__name__} {error}"[:255]
        Payment.objects.filter(pk=payment.pk).update(last_error=said)
        log.warning("payment not closed", out_trade_no=out_trade_no, reason=said)
        return CloseOutcome.UNKNOWN


def _close(payment: Payment, now: datetime) -> CloseOutcome:
    """Ask, then close.

    :raises GatewayError, PaymentError: whether the payment is closed is not known.
    """
    gateway, number = gateway_to_ask(payee(payment)), payment.out_trade_no
    try:
        result = gateway.query(number)
    except OrderUnknown:
        pass  # the provider has no order, or does not show it yet: close it in either case
    else:
        state = payment_record(result=result, now=now, source="close")
        if state in _OUTCOME:
            return _OUTCOME[state]
        if result.trade_state in _BEING_PAID:
            return CloseOutcome.UNKNOWN
    try:
        gateway.close(number)
    except AlreadyPaid:
        # It was paid after the query.
        state = payment_record(result=gateway.query(number), now=now, source="close")
        return _OUTCOME.get(state, CloseOutcome.UNKNOWN)
    except (AlreadyClosed, OrderUnknown):
        pass
    except GatewayError:
        if now < payment.time_expire + LATEST_PAYMENT:
            raise
        # The query said unpaid, and after its deadline nobody can pay it: the close need not succeed.
    return _OUTCOME[payment_mark_closed(payment, now=now, source="close")]
