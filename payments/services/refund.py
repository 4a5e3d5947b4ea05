"""Refunds: each is stored first, then requested from the provider under one number until the provider answers."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Max

from core.money import fen_text
from core.observe import tracing
from core.queues import task_send
from payments.errors import (
    NO_REFUNDS,
    GatewayError,
    OrderUnknown,
    PaymentMismatch,
    PaymentNotConfigured,
    PaymentUnknown,
    RefundNotPossible,
)
from payments.gateways.base import RefundResult
from payments.gateways.wechat import gateway_v3
from payments.gateways.wechat.shared import TOTAL_TIMEOUT_S
from payments.gateways.wechat.v3 import WeChatV3
from payments.models import Payment, Refund, RefundStatus, RefundWay
from payments.selectors import UNDER_WAY, refunds_of
from payments.services.listener_call import lock_payment, tell_refund
from payments.services.money_log import SYSTEM, log_step, set_state
from payments.services.payee import payee, payees
from payments.services.sweep import BATCH, MAX_SWEEP_S, sweep

log = structlog.get_logger("payments")
PAID_TWICE = "已线下退款，微信又退款成功，请核对是否重复"
_BACKOFF_S = (15, 30, 60, 300, 900, 3600)
MAX_REFUNDS = 50  # of one payment, at the provider
# WeChat takes refunds of one payment a minute apart. After its ``now`` a sweep begins steps for 12 s, and a step may
# first ask for 8 s, then send for 8 s.
APART = timedelta(minutes=1, seconds=MAX_SWEEP_S + 2 * TOTAL_TIMEOUT_S)
WAITS = "微信要求同一笔支付的退款相隔一分钟，稍后自动提交"
_S = RefundStatus
_EVENT: dict[str, str] = {_S.PENDING: "重试退款", _S.PROCESSING: "微信受理退款"}
# For each state, the states from which a refund may get there. Notifications arrive late and out of order; one that
# would move a refund back is ignored.
_FROM: dict[str, set[str]] = {
    _S.PENDING: {_S.FAILED},
    _S.PROCESSING: {_S.PENDING, _S.FAILED, _S.ABNORMAL},
    _S.FAILED: {_S.PENDING},
    _S.ABNORMAL: {_S.PENDING, _S.PROCESSING, _S.FAILED},
    _S.CLOSED: {_S.PENDING, _S.PROCESSING, _S.FAILED, _S.ABNORMAL},
    _S.SUCCESS: {_S.PENDING, _S.PROCESSING, _S.FAILED, _S.ABNORMAL, _S.CLOSED},
    _S.OWED: {_S.PENDING, _S.PROCESSING, _S.FAILED, _S.ABNORMAL, _S.CLOSED},
    _S.OFFLINE: {_S.PENDING, _S.FAILED, _S.ABNORMAL, _S.CLOSED, _S.OWED},
}
# Errors about our merchant values. Once the values are corrected the same call succeeds, so the refund is not failed.
_CONFIGURATION = {"SIGN_ERROR", "NOAUTH", "MCH_NOT_EXISTS", "APPID_MCHID_NOT_MATCH"}
STATE_OF = {state.upper(): state for state in (_S.PROCESSING, _S.SUCCESS, _S.CLOSED, _S.ABNORMAL)}  # WeChat's words


def refund_request(
    *, out_trade_no: str, amount_fen: int | None, reason: str, requested_by: str, now: datetime
) -> Refund:
    """Store a refund of a paid payment; a worker sends it to the provider after commit, until it answers.

    Call it inside the transaction that changes the order, with the order's row locked. The amount may be a part of
    the payment; all refunds together never exceed it. ``None``: all that is left of the payment.

    :raises RefundNotPossible: the payment is not paid, less than ``amount_fen`` is left of it, or its merchant has no
        values for refunds.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update().filter(out_trade_no=out_trade_no).first()
        if payment is None:  # an order of the old server (``moving``): its money came without us
            raise RefundNotPossible("本系统没有这个订单的付款记录,请在微信商户平台退款")
        if not payment.is_paid:
            raise RefundNotPossible("该订单尚未支付,无法退款")
        _require_merchant(payment)
        amount_fen = refunds_of(payment).rest_fen if amount_fen is None else amount_fen
        require_room(payment, amount_fen)
        return refund_create(payment, amount_fen, reason=reason, requested_by=requested_by, now=now)


def refunds_require(*, out_trade_no: str) -> None:
    """Check that the payment of an order can be refunded at all, before a buyer is promised money.

    :raises RefundNotPossible: the merchant of the payment lacks what refunds need at the provider (v3).
    """
    if payment := Payment.objects.filter(out_trade_no=out_trade_no).first():
        _require_merchant(payment)


def _require_merchant(payment: Payment) -> None:
    try:
        gateway_v3(payee(payment))
    except PaymentNotConfigured as error:
        log.error("refunds are not possible", reason=str(error))
        raise RefundNotPossible(NO_REFUNDS) from None


def require_room(payment: Payment, amount_fen: int) -> None:
    """Check that another refund fits into the rest of a payment. The caller has locked the payment's row.

    :raises RefundNotPossible: all refunds together would exceed the payment, or be more than the provider allows.
    """
    refunds = refunds_of(payment)
    if not 0 < amount_fen <= refunds.rest_fen:
        raise RefundNotPossible("退款金额超过可退金额")
    if refunds.number >= MAX_REFUNDS:
        raise RefundNotPossible(f"一笔支付最多退款{MAX_REFUNDS}次")


def refund_create(payment: Payment, amount_fen: int, *, reason: str, requested_by: str, now: datetime) -> Refund:
    """Insert the refund of a payment whose row the caller has locked."""
    refund = Refund.objects.create(
        payment=payment,
        out_refund_no=_new_number(payment),
        amount_fen=amount_fen,
        reason=reason[:80],
        requested_by=requested_by[:64],
        next_try_at=now,
        created_at=now,
    )
    detail = f"{fen_text(amount_fen)} {reason}"
    log_step(payment, "申请退款", now, actor=requested_by, refund=refund, to_state=refund.state, detail=detail)
    task_send("payments.run_refund", refund.pk)
    return refund


def _new_number(payment: Payment) -> str:
    """Return a number that no refund of the payment has: those that were found at the provider have any number."""
    existing = set(payment.refunds.values_list("out_refund_no", flat=True))
    at = 1
    while (number := f"{payment.out_trade_no}R{at:02d}") in existing:
        at += 1
    return number


def refund_run(*, refund_id: int, now: datetime, at_once: bool = False) -> Refund:
    """Request a refund from the provider, or ask for its state if the provider has accepted it. Return the refund.

    Safe to call twice at once: only one call talks to the provider.

    :param at_once: take the step although it is not due yet.
    """
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    if _claim_attempt(refund, now, at_once=at_once):
        _step(refund, now)
        refund.refresh_from_db()
    return refund


def _step(refund: Refund, now: datetime) -> GatewayError | bool:
    """Take the refund's next step at the provider; return the error if it did not answer or refused."""
    tracing.about(order=refund.payment.out_trade_no)
    try:
        outcome = _ask(gateway_v3(payee(refund.payment)), refund, now)
        if isinstance(outcome, RefundResult):
            refund_record(result=outcome, now=now, source="微信应答")
        elif outcome:
            reason = str(outcome)
            refund_move(refund.pk, RefundStatus.FAILED, now, actor=SYSTEM, detail=reason, last_error=reason)
            return outcome
    except GatewayError as error:
        note_error(refund, str(error))
        return error
    except PaymentMismatch as error:
        note_error(refund, error.msg)
    return True


def _claim_attempt(refund: Refund, now: datetime, *, at_once: bool = False) -> bool:
    """Claim the next attempt by moving ``next_try_at``; only the worker that gets True talks to the provider."""
    wait_s = _BACKOFF_S[min(refund.attempts, len(_BACKOFF_S) - 1)]
    # Two workers may read the same ``attempts``; only the first update finds it unchanged.
    claim = Refund.objects.filter(pk=refund.pk, state__in=UNDER_WAY, attempts=refund.attempts)
    if not at_once:
        claim = claim.filter(next_try_at__lte=now)
    is_ours = claim.update(attempts=refund.attempts + 1, next_try_at=now + timedelta(seconds=wait_s))
    refund.refresh_from_db(fields=["state", "attempts", "next_try_at", "way", "sent_at"])
    return bool(is_ours)


def _ask(gateway: WeChatV3, refund: Refund, now: datetime) -> RefundResult | GatewayError | None:
    """Return the provider's state of the refund: query an accepted one, request any other.

    Return the error if the provider refuses the request and will refuse it again: a member of staff must decide.
    Return None where nothing is sent, see ``_take_turn``.

    :raises GatewayError: any other error, and every error of a query.
    """
    if refund.state == RefundStatus.PROCESSING:
        try:
            return gateway.refund_query(refund.out_refund_no)
        except OrderUnknown:
            if refund.way != RefundWay.ORIGINAL:
                raise
            # The provider never accepted it. Request it again: the provider pays a number once.
    if not _take_turn(refund, now):
        return None
    try:
        return gateway.refund(
            out_refund_no=refund.out_refund_no,
            transaction_id=refund.payment.transaction_id,
            refund_fen=refund.amount_fen,
            total_fen=refund.payment.amount_fen,
            reason=refund.reason,
            notify_url=settings.PUBLIC_BASE_URL + "/pay/notify",
        )
    except GatewayError as error:
        if error.outcome_unknown or isinstance(error, PaymentNotConfigured) or error.code in _CONFIGURATION:
            raise
        denial = error
    # An earlier attempt had an unknown outcome and may have succeeded: ask before believing the refusal.
    if refund.sent_at is not None:
        try:
            return gateway.refund_query(refund.out_refund_no)
        except OrderUnknown:
            pass
    return denial


def _take_turn(refund: Refund, now: datetime) -> bool:
    """Note that the refund is sent now, unless another of its payment was sent a minute ago, or an older one is due.

    Then it is due after that one. Return also False if staff have ended it since this worker claimed the attempt.
    """
    mine = Refund.objects.filter(pk=refund.pk, state__in=UNDER_WAY)
    with transaction.atomic():
        # Two workers may be about to send refunds of one payment.
        Payment.objects.select_for_update(no_key=True).get(pk=refund.payment_id)
        others = Refund.objects.filter(payment=refund.payment_id).exclude(pk=refund.pk)
        latest = others.filter(sent_at__gt=now - APART).aggregate(at=Max("sent_at"))["at"]
        older = others.filter(pk__lt=refund.pk, state=_S.PENDING, sent_at=None, next_try_at__lte=now)
        if latest or older.exists():
            due = latest + APART if latest else now
            mine.update(next_try_at=due, attempts=F("attempts") - 1, last_error=WAITS)
            return False
        return bool(mine.update(sent_at=now))


def note_error(refund: Refund, text: str) -> None:
    Refund.objects.filter(pk=refund.pk).update(last_error=text[:255])


def refund_record(*, result: RefundResult, now: datetime, source: str) -> Refund:
    """Record the provider's state of a refund and tell the listener, in one transaction. A repeat changes nothing.

    :param source: whose word it is, for the money log.
    :raises PaymentUnknown: no refund has this number.
    :raises PaymentMismatch: the result names another order, merchant or amount. Logged; nothing changed.
    """
    refund = Refund.objects.select_related("payment").filter(out_refund_no=result.out_refund_no).first()
    if refund is None:
        raise PaymentUnknown("退款单不存在")
    payment = refund.payment
    ours = (payment.out_trade_no, refund.amount_fen, payment.amount_fen)
    is_ours = any(result.appid in ("", appid) and result.mch_id in ("", mch_id) for appid, mch_id in payees(payment))
    state = STATE_OF.get(result.status)
    if state is None or not is_ours or (result.out_trade_no, result.refund_fen, result.total_fen) != ours:
        detail = f"{result.out_trade_no} {result.status} {fen_text(result.refund_fen)}/{fen_text(result.total_fen)}"
        log_step(payment, "退款信息不一致", now, actor=source, refund=refund, detail=detail)
        raise PaymentMismatch("退款信息与退款单不一致")
    fields: dict[str, Any] = {"refund_id": result.refund_id, "last_error": ""}
    fields |= {name: value for name in ("received_by", "funds_account") if (value := getattr(result, name))}
    if refund.accepted_at is None:
        fields["accepted_at"] = result.accepted_at or now
    is_back = result.is_back_at_merchant or (refund.way == RefundWay.MERCHANT and not result.received_by)
    if state == RefundStatus.SUCCESS and is_back:
        state = RefundStatus.OWED
    elif state == RefundStatus.SUCCESS:
        fields["refunded_at"] = result.refunded_at or now
    return refund_move(refund.pk, state, now, actor=source, detail=result.refund_id, **fields)


def refund_move(
    pk: int, state: str, now: datetime, *, actor: str, staff: str = "", detail: str = "", **fields: Any
) -> Refund:
    """Change the state of a refund and tell the listener, in one transaction; return the refund.

    A change that ``_FROM`` does not allow is ignored. The provider is not called.

    :param actor: who caused the change, for the money log.
    :param staff: the member of staff who caused it; "" when it was the provider.
    :param fields: other fields to save with it.
    """
    out_trade_no = Payment.objects.values_list("out_trade_no", flat=True).get(refunds=pk)
    with transaction.atomic():
        payment = lock_payment(out_trade_no)
        refund = Refund.objects.select_for_update().get(pk=pk)
        if refund.state not in _FROM[state]:
            _note_contradiction(payment, refund, state, now, actor)
            return refund
        fields["next_try_at"] = (refund.next_try_at or now) if state in UNDER_WAY else None
        event = _EVENT.get(state, RefundStatus(state).label)
        set_state(payment, state, event, now, refund=refund, actor=actor, detail=detail, **fields)
        tell_refund(payment, refund, now, staff=staff)
        return refund


def _note_contradiction(payment: Payment, refund: Refund, state: str, now: datetime, actor: str) -> None:
    """Log once that the provider paid a refund which staff had already paid by other means."""
    if refund.state != RefundStatus.OFFLINE or state != RefundStatus.SUCCESS or refund.paid_twice_at is not None:
        return
    Refund.objects.filter(pk=refund.pk).update(paid_twice_at=now, last_error=PAID_TWICE)
    log.error("refund paid twice", out_refund_no=refund.out_refund_no)
    log_step(payment, PAID_TWICE, now, actor=actor, refund=refund, from_state=refund.state, to_state=refund.state)


def refunds_run_due(*, now: datetime) -> int:
    """Request or query every refund that is due; return how many. Stop early when the provider does not answer."""
    refunds = Refund.objects.select_related("payment").filter(next_try_at__lte=now, state__in=UNDER_WAY)
    refunds = refunds.order_by("next_try_at", "pk")[:BATCH]
    return sweep(refunds, lambda refund: _claim_attempt(refund, now) and _step(refund, now))
