"""Closing a payment at the provider before its order gives the stock back."""

from datetime import datetime, timedelta
from enum import Enum

import structlog

from payments.errors import PaymentError
from payments.gateways.base import AlreadyClosed, AlreadyPaid, Gateway, GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_to_ask
from payments.models import Payment, PaymentStatus
from payments.services.common import payee
from payments.services.record import payment_mark_closed, payment_record

log = structlog.get_logger("payments")


class CloseOutcome(Enum):
    CLOSED = "closed"  # the provider will not take money for it (or never heard of it)
    PAID = "paid"  # it was paid: settled by now, the order must not be closed
    STARTING = "starting"  # it is being placed at the provider this very moment: keep the stock, ask again soon
    UNKNOWN = "unknown"  # the provider could not say: keep the stock, ask again later


_OUTCOME = {
    PaymentStatus.PAID.value: CloseOutcome.PAID,
    PaymentStatus.CLOSED.value: CloseOutcome.CLOSED,
    PaymentStatus.STRAY.value: CloseOutcome.CLOSED,  # what came goes back: the order was not paid, and will not be
}
LATEST_PAYMENT = timedelta(minutes=5)  # one that was begun in time may finish slightly after time_expire
_BEING_PAID = {"USERPAYING", "ACCEPT"}


def payment_close(*, out_trade_no: str, now: datetime) -> CloseOutcome:
    """Query, then close at the provider. Never raises for the provider's sake. Not inside a transaction: at most 20 s,
    or what somebody who waits has left.

    CLOSED: also when no payment was ever started. PAID: confirmed on the way, ``on_paid`` has run.
    STARTING, UNKNOWN: keep the stock and call again, soon or with a later sweep.
    """
    payment = Payment.objects.filter(out_trade_no=out_trade_no).first()
    if payment is None:
        return CloseOutcome.CLOSED
    if payment.state in _OUTCOME:
        return _OUTCOME[payment.state]
    if payment.claimed_until and payment.claimed_until > now:
        return CloseOutcome.STARTING
    try:
        return _close(gateway_to_ask(payee(payment)), payment, now)
    except (GatewayError, PaymentError) as error:
        said = f"{getattr(error, 'code', '') or type(error).__name__} {error}"[:255]
        Payment.objects.filter(pk=payment.pk).update(last_error=said)
        log.warning("payment not closed", out_trade_no=out_trade_no, reason=said)
        return CloseOutcome.UNKNOWN


def _close(gateway: Gateway, payment: Payment, now: datetime) -> CloseOutcome:
    """:raises GatewayError, PaymentError: no conclusion can be drawn."""
    number = payment.out_trade_no
    try:
        result = gateway.query(number)
    except OrderUnknown:
        pass  # not created, or not visible yet: close it all the same
    else:
        state = payment_record(result=result, now=now, source="close")
        if state in _OUTCOME:
            return _OUTCOME[state]
        if result.trade_state in _BEING_PAID:
            return CloseOutcome.UNKNOWN
    try:
        gateway.close(number)
    except AlreadyPaid:
        # It was paid between the question and now.
        state = payment_record(result=gateway.query(number), now=now, source="close")
        return _OUTCOME.get(state, CloseOutcome.UNKNOWN)
    except (AlreadyClosed, OrderUnknown):
        pass
    except GatewayError:
        if now < payment.time_expire + LATEST_PAYMENT:
            raise
        # It is unpaid, and past its time over there nobody can pay it: no need for the provider's yes.
    return _OUTCOME[payment_mark_closed(payment, now=now, source="close")]
