"""Money that the provider moved and our tables lack: payments that fit no order, refunds made elsewhere."""

from datetime import datetime

from django.db import transaction

from core.money import fen_text
from payments.errors import RefundNotPossible
from payments.gateways.base import PaymentResult, RefundResult
from payments.models import Payment, PaymentStatus, Refund, RefundStatus, TradeType
from payments.services.common import limit_lock_wait, log_step
from payments.services.refund import refund_create, refund_record, require_room
from payments.services.telling import order_total


def payment_return_stray(*, result: PaymentResult, actor: str, now: datetime) -> Payment:
    """Record money that fits no order as a stray payment, and refund all of it. A repeat changes nothing.

    :param result: the provider's answer: SUCCESS, or REFUND when it has refunded some already; then nothing is sent.
    :raises RefundNotPossible: the money belongs to an order, or is on its way back.
    """
    with transaction.atomic():
        limit_lock_wait()
        owed_fen = order_total(result.out_trade_no, None)
        payment = Payment.objects.select_for_update().filter(out_trade_no=result.out_trade_no).first()
        _require_stray(payment, owed_fen, result)
        payment = payment or Payment(
            out_trade_no=result.out_trade_no, time_start=now, time_expire=now, created_at=now, state=""
        )
        _mark_stray(payment, result, actor, now)
        if result.trade_state == "SUCCESS":
            require_room(payment, payment.amount_fen)
            refund_create(payment, payment.amount_fen, reason="款项与订单不符，原路退回", requested_by=actor, now=now)
        return payment


def _require_stray(payment: Payment | None, owed_fen: int | None, result: PaymentResult) -> None:
    if result.trade_state not in ("SUCCESS", "REFUND"):
        raise RefundNotPossible(f"微信没有收到这笔款（{result.trade_state}）")
    if payment and payment.is_paid:
        raise RefundNotPossible("这笔款已经入账，请在订单上退款")
    asked_fen = payment.amount_fen if payment and payment.state != PaymentStatus.STRAY else owed_fen
    if result.trade_state == "SUCCESS" and owed_fen == asked_fen == result.paid_fen:
        raise RefundNotPossible("这笔款与订单相符，请点“查询微信”入账")
    others = Payment.objects.filter(transaction_id=result.transaction_id)
    if others.exclude(out_trade_no=result.out_trade_no).exists():
        raise RefundNotPossible("这个微信支付订单号已用于其他订单")


def _mark_stray(payment: Payment, result: PaymentResult, actor: str, now: datetime) -> None:
    if payment.state == PaymentStatus.STRAY:
        return
    before, payment.state = payment.state, PaymentStatus.STRAY
    asked = f"，原应付{fen_text(payment.amount_fen)}" if payment.pk else ""
    payment.amount_fen, payment.transaction_id = result.paid_fen, result.transaction_id
    payment.appid, payment.mch_id = result.appid, result.mch_id
    if result.trade_type in TradeType.values:
        payment.trade_type = result.trade_type
    payment.paid_at = result.paid_at or now
    payment.next_check_at = payment.claimed_until = None
    payment.last_error = ""
    payment.save()
    detail = f"{result.transaction_id} {fen_text(result.paid_fen)}{asked}"
    log_step(payment, "款项与订单不符", now, actor=actor, from_state=before, to_state=payment.state, detail=detail)


def refund_add_missing(*, result: RefundResult, actor: str, now: datetime) -> Refund:
    """Record a refund that only the provider has, and tell the listener. A repeat changes nothing.

    Such a refund was made on the merchant platform, or was lost when a backup was restored.

    :raises RefundNotPossible: its payment is not recorded here, or another refund here uses the money.
    """
    with transaction.atomic():
        limit_lock_wait()
        order_total(result.out_trade_no, 0)
        payment = Payment.objects.select_for_update().filter(out_trade_no=result.out_trade_no).first()
        if payment is None or payment.state not in (PaymentStatus.PAID, PaymentStatus.STRAY):
            raise RefundNotPossible("请先处理它所属的收款")
        if not Refund.objects.filter(out_refund_no=result.out_refund_no).exists():
            _add_missing(payment, result, actor, now)
        return refund_record(result=result, now=now, source="补记")


def _add_missing(payment: Payment, result: RefundResult, actor: str, now: datetime) -> None:
    try:
        require_room(payment, result.refund_fen)
    except RefundNotPossible:
        raise RefundNotPossible("本地已有退款单占用这笔钱：请先处理它，例如以这笔退款的单号登记线下退款") from None
    refund = Refund.objects.create(
        payment=payment,
        out_refund_no=result.out_refund_no,
        amount_fen=result.refund_fen,
        reason="补记：微信侧已有的退款",
        requested_by=actor[:64],
        state=RefundStatus.PENDING,
        sent_at=result.accepted_at or now,
        created_at=now,
    )
    log_step(
        payment, "补记退款", now, actor=actor, refund=refund, to_state=refund.state, detail=fen_text(result.refund_fen)
    )
