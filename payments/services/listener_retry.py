"""Calling the listener again for what it could not take, and giving the money back when it never can."""

from datetime import datetime

from django.db import transaction

from core.money import fen_text
from payments.errors import RefundNotPossible
from payments.listener import PaidOutcome
from payments.models import ListenerFailure, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.common import BATCH, SYSTEM, set_state, sweep
from payments.services.listener_call import lock_payment, tell_paid, tell_refund
from payments.services.refund import refund_create


def listener_retell_due(*, now: datetime) -> int:
    """Tell the listener again all that is due; return how many. Any number of sweeps may run at once."""
    failures = ListenerFailure.objects.filter(next_try_at__lte=now).order_by("next_try_at")[:BATCH]
    return sweep(failures, lambda failure: listener_retell(failure_id=failure.pk, now=now))


def listener_retell(*, failure_id: int, now: datetime, at_once: bool = False) -> bool:
    """Tell the listener again of one payment or refund; return whether this call did it.

    After the last try a payment is given back.

    :param at_once: although it is not due yet.
    """
    failure = ListenerFailure.objects.filter(pk=failure_id).first()
    if failure is None:
        return False
    with transaction.atomic():
        payment = lock_payment(failure.out_trade_no)
        # Another sweep may have told it, or tried, since it was read.
        failure = ListenerFailure.objects.filter(pk=failure_id).first()
        if failure is None or not (at_once or (failure.next_try_at and failure.next_try_at <= now)):
            return False
        if failure.out_refund_no:
            refund = Refund.objects.select_for_update().get(out_refund_no=failure.out_refund_no)
            staff = refund.offline_by if refund.state == RefundStatus.OFFLINE else ""
            tell_refund(payment, refund, now, staff=staff)
        elif (outcome := tell_paid(payment, now)) is PaidOutcome.REFUND:
            refund_create(payment, payment.amount_fen, reason="订单已关闭，自动退款", requested_by=SYSTEM, now=now)
        elif outcome is None and not ListenerFailure.objects.filter(pk=failure_id, next_try_at__isnull=False).exists():
            _give_back(payment, SYSTEM, now)
        return True


def payment_give_back(*, payment_id: int, actor: str, now: datetime) -> None:
    """Refund all of a payment that the listener could not take; its order is then closed as an unpaid one.

    :raises RefundNotPossible: the listener has taken it, or it was given back already.
    """
    number = Payment.objects.values_list("out_trade_no", flat=True).get(pk=payment_id)
    with transaction.atomic():
        payment = lock_payment(number)
        if not ListenerFailure.objects.filter(out_trade_no=number, out_refund_no="").exists():
            raise RefundNotPossible("这笔款已经入账或退回")
        _give_back(payment, actor, now)


def _give_back(payment: Payment, actor: str, now: datetime) -> None:
    """Make the payment a stray one, so that its order closes, and refund it."""
    ListenerFailure.objects.filter(out_trade_no=payment.out_trade_no, out_refund_no="").delete()
    detail = f"订单无法入账，退回{fen_text(payment.amount_fen)}"
    set_state(payment, PaymentStatus.STRAY, "退回款项", now, actor=actor, detail=detail)
    refund_create(payment, payment.amount_fen, reason="订单无法入账，原路退回", requested_by=actor, now=now)
