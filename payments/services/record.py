"""Recording what the provider answered about a payment, whichever service asked."""

from datetime import datetime

from django.db import transaction

from payments.gateways.base import PaymentResult
from payments.models import Payment, PaymentStatus
from payments.services.common import log_step
from payments.services.confirm import SOURCES, payment_confirm
from payments.services.sweep import check_due

_CLOSED_WORDS = {"CLOSED", "REVOKED"}


def payment_record(*, result: PaymentResult, now: datetime, source: str) -> str:
    """Record a query's answer; return our state of the payment afterwards (``""``: no payment has this number).

    :raises PaymentUnknown, PaymentMismatch: see ``payment_confirm``.
    """
    if result.trade_state == "SUCCESS":
        return payment_confirm(result=result, now=now, source=source).state
    payment = Payment.objects.filter(out_trade_no=result.out_trade_no).first()
    if payment is None:
        return ""
    if result.trade_state in _CLOSED_WORDS:
        return payment_mark_closed(payment, now=now, source=source)
    if result.trade_state == "REFUND" and not payment.is_paid:
        # Paid and refunded at the provider while we knew of neither: nothing to deliver, and it cannot be paid again.
        return payment_mark_closed(payment, now=now, source=source, detail="微信侧已退款，请人工核对")
    return payment.state


def payment_mark_closed(payment: Payment, *, now: datetime, source: str, detail: str = "") -> str:
    """Record that the provider accepts no more money for a payment; return its state (PAID stays PAID)."""
    with transaction.atomic():
        locked = Payment.objects.select_for_update().get(pk=payment.pk)
        if locked.state not in (PaymentStatus.STARTING, PaymentStatus.OPEN):
            return locked.state
        before, locked.state = locked.state, PaymentStatus.CLOSED
        locked.closed_at, locked.claimed_until = now, None
        locked.next_check_at = check_due(locked, now)
        locked.last_error = detail
        locked.save(update_fields=["state", "closed_at", "claimed_until", "next_check_at", "last_error"])
        log_step(
            locked, "支付单关闭", now, actor=SOURCES.get(source, source),
            from_state=before, to_state=locked.state, detail=detail,
        )  # fmt: skip
        return locked.state
