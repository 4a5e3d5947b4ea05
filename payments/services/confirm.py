"""Recording what the provider says of a payment. Only ``payment_confirm`` makes one paid."""

from datetime import datetime
from typing import Any

from django.db import transaction

from core.money import fen_text
from payments.errors import PaymentMismatch, PaymentUnknown
from payments.gateways.base import PaymentResult
from payments.listener import PaidOutcome
from payments.models import CURRENCY, Payment, PaymentStatus, TradeType
from payments.services.listener_call import limit_lock_wait, order_lock_total, tell_paid
from payments.services.money_log import SYSTEM, log_step, set_state
from payments.services.payee import payees
from payments.services.query_times import WATCH_CLOSED
from payments.services.refund import refund_create

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
        row = Payment.objects.select_for_update().get(pk=payment.pk)
        if row.state not in (PaymentStatus.STARTING, PaymentStatus.OPEN):
            return row.state
        fields: dict[str, Any] = {"closed_at": now, "claimed_until": None, "last_error": detail}
        fields["next_check_at"] = now + WATCH_CLOSED[0][1]
        set_state(row, PaymentStatus.CLOSED, "支付单关闭", now, actor=source, detail=detail, **fields)
        return row.state


def payment_confirm(*, result: PaymentResult, now: datetime, source: str) -> Payment:
    """Record that a payment is paid and tell the listener, in one transaction; a repeat changes nothing.

    A listener that fails does not undo it: ``listener_call`` keeps the failure, and a sweep tells it again.

    Notifications v2 and v3, queries and the reconciliation sweep all call it. The result must be authentic
    (signature checked by its gateway); whether it fits our order is checked here.

    :param source: where the result comes from, in Chinese, for the money log.
    :raises PaymentUnknown: no order has this number.
    :raises PaymentMismatch: amount, currency, appid, merchant or transaction differ. Logged; nothing changed.
    """
    try:
        with transaction.atomic():
            return _confirm(result, now, source)
    except PaymentMismatch as error:
        if payment := Payment.objects.filter(out_trade_no=result.out_trade_no).first():
            log_step(payment, "支付信息不一致", now, actor=source, detail=error.msg)
            Payment.objects.filter(pk=payment.pk).update(last_error=error.msg)
        raise


def _confirm(result: PaymentResult, now: datetime, source: str) -> Payment:
    limit_lock_wait()
    asked_fen = Payment.objects.values_list("amount_fen", flat=True).filter(out_trade_no=result.out_trade_no).first()
    owed_fen = order_lock_total(result.out_trade_no, asked_fen)
    strays = Payment.objects.filter(state=PaymentStatus.STRAY, transaction_id=result.transaction_id)
    if stray := strays.filter(out_trade_no=result.out_trade_no).first():
        return stray  # its money is on its way back already
    if owed_fen is None:
        raise PaymentUnknown
    # A payment that was never started here counts too. The order's row is locked, so no other process creates it now.
    payment, _ = Payment.objects.select_for_update().get_or_create(
        out_trade_no=result.out_trade_no,
        defaults={
            "amount_fen": owed_fen,
            "trade_type": result.trade_type if result.trade_type in TradeType.values else TradeType.NATIVE,
            **dict.fromkeys(("time_start", "time_expire", "created_at"), now),
        },
    )
    if problem := _mismatch(payment, owed_fen, result):
        raise PaymentMismatch(problem)
    if payment.is_paid:
        return payment
    detail = f"{result.transaction_id} {fen_text(result.paid_fen)}"
    fields = arrival_fields(result, now)
    set_state(payment, PaymentStatus.PAID, "支付成功", now, actor=source, detail=detail, **fields)
    payment_tell(payment, now)
    return payment


def arrival_fields(result: PaymentResult, now: datetime) -> dict[str, Any]:
    """Return the fields of a payment that the provider's answer about its money fills. No sweep asks about it again."""
    fields: dict[str, Any] = {name: getattr(result, name) for name in ("appid", "mch_id", "transaction_id")}
    return fields | {"paid_at": result.paid_at or now, "next_check_at": None, "claimed_until": None, "last_error": ""}


def payment_tell(payment: Payment, now: datetime) -> bool:
    """Tell the listener of a payment, and refund all of it if the order cannot be served any more.

    The payment's row is locked. Return False if the listener failed.
    """
    outcome = tell_paid(payment, now)
    if outcome is PaidOutcome.REFUND:
        refund_create(payment, payment.amount_fen, reason="订单已关闭，自动退款", requested_by=SYSTEM, now=now)
    return outcome is not None


def _mismatch(payment: Payment, owed_fen: int, result: PaymentResult) -> str:
    """Return in Chinese why the result does not fit the payment; ``""`` when it fits."""
    if (result.appid, result.mch_id) not in payees(payment):
        return "appid或商户号不一致"
    if result.currency != CURRENCY or payment.currency != CURRENCY:
        return "币种不一致"
    if not result.paid_fen == payment.amount_fen == owed_fen:
        return f"金额不一致：应付{fen_text(owed_fen)}，微信称{fen_text(result.paid_fen)}"
    if payment.transaction_id and payment.transaction_id != result.transaction_id:
        return "微信支付订单号不一致"
    if Payment.objects.filter(transaction_id=result.transaction_id).exclude(pk=payment.pk).exists():
        return "微信支付订单号已用于其他订单"
    return ""
