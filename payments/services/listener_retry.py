"""Calling the listener again for what it could not take, and giving a payment back that it never can.

``listener_call.PAUSES`` says when.
"""

from datetime import datetime

from django.db import transaction

from core.money import fen_text
from payments.models import ListenerFailure, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.confirm import payment_tell
from payments.services.listener_call import PAUSES, lock_payment, tell_refund
from payments.services.money_log import SYSTEM, set_state
from payments.services.refund import refund_create
from payments.services.sweep import BATCH, sweep


def listener_retell_due(*, now: datetime) -> int:
    """Tell the listener again all that is due; return how many. Any number of sweeps may run at once."""
    failures = ListenerFailure.objects.exclude(next_try_at__gt=now).order_by("next_try_at")[:BATCH]
    return sweep(failures, lambda failure: listener_retell(failure, now))


def listener_retell(failure: ListenerFailure, now: datetime) -> bool:
    """Tell the listener again of one payment or refund; return whether this sweep did it.

    After the last try a payment is given back.
    """
    with transaction.atomic():
        payment = lock_payment(failure.out_trade_no)
        # Another sweep may have told it, or tried, since it was read.
        if not ListenerFailure.objects.filter(pk=failure.pk, attempts=failure.attempts).exists():
            return False
        if failure.out_refund_no:
            refund = Refund.objects.select_for_update().get(out_refund_no=failure.out_refund_no)
            staff = refund.offline_by if refund.state == RefundStatus.OFFLINE else ""
            tell_refund(payment, refund, now, staff=staff)
        elif not payment_tell(payment, now) and failure.attempts >= len(PAUSES):
            _give_back(payment, now)
        return True


def _give_back(payment: Payment, now: datetime) -> None:
    """Make the payment a stray one, so that its order closes, and refund it."""
    ListenerFailure.objects.filter(out_trade_no=payment.out_trade_no, out_refund_no="").delete()
    detail = f"订单无法入账，退回{fen_text(payment.amount_fen)}"
    set_state(payment, PaymentStatus.STRAY, "退回款项", now, detail=detail)
    refund_create(payment, payment.amount_fen, reason="订单无法入账，原路退回", requested_by=SYSTEM, now=now)
