"""Giving money back: written down first, then asked of the provider until it answers, under one number."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from core.db.after_commit import task_send
from core.money import fen_text
from payments.errors import NO_REFUNDS, PaymentMismatch, PaymentUnknown, RefundNotPossible
from payments.gateways.base import (
    Gateway,
    GatewayError,
    GatewayMisconfigured,
    OrderUnknown,
    RefundIntent,
    RefundResult,
)
from payments.gateways.wechat import gateway_v3
from payments.listener import listener
from payments.models import Payment, Refund, RefundStatus, RefundWay
from payments.services.common import SYSTEM, limit_lock_wait, log_step, payee, payees
from payments.services.sweep import BATCH, GIVE_UP_AFTER, in_a_sweep, is_silence

log = structlog.get_logger("payments")
PAID_TWICE = "已线下退款,微信又退款成功,请核对是否重复"
_BACKOFF_S = (15, 30, 60, 300, 900, 3600)
MOST_REFUNDS = 50  # of one payment, at the provider
_S = RefundStatus
UNDER_WAY = (_S.PENDING, _S.PROCESSING)
_EVENT: dict[str, str] = {_S.PENDING: "重试退款", _S.PROCESSING: "微信受理退款"}
# Which states a refund may leave for each: late news changes nothing, and what ended stays ended.
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
# They say that our values are wrong, not that this refund is: mended, the same call succeeds.
_CONFIGURATION = {"SIGN_ERROR", "NOAUTH", "MCH_NOT_EXISTS", "APPID_MCHID_NOT_MATCH"}
STATE_OF = {
    "PROCESSING": RefundStatus.PROCESSING,
    "SUCCESS": RefundStatus.SUCCESS,
    "CLOSED": RefundStatus.CLOSED,
    "ABNORMAL": RefundStatus.ABNORMAL,
}


def refund_request(*, out_trade_no: str, amount_fen: int, reason: str, requested_by: str, now: datetime) -> Refund:
    """Write down that money goes back; the provider is asked after commit, and again until it answers.

    Call it inside the transaction that changes the order (with the order's row locked). The amount may be part of
    the payment; all refunds together never exceed it.

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
        require_room(payment, amount_fen)
        return refund_create(payment, amount_fen, reason=reason, requested_by=requested_by, now=now)


def refunds_require(*, out_trade_no: str) -> None:
    """Refuse what would promise money back that the merchant cannot send.

    :raises RefundNotPossible: the merchant of the payment lacks what refunds need at the provider (v3).
    """
    if payment := Payment.objects.filter(out_trade_no=out_trade_no).first():
        _require_merchant(payment)


def _require_merchant(payment: Payment) -> None:
    try:
        gateway_v3(payee(payment))
    except GatewayMisconfigured as error:
        log.error("refunds are not possible", reason=str(error))
        raise RefundNotPossible(NO_REFUNDS) from None


def require_room(payment: Payment, amount_fen: int) -> None:
    """Check that a further refund fits into a payment whose row the caller has locked.

    :raises RefundNotPossible: all refunds together would exceed it, or be too many.
    """
    # A failed one keeps its claim: it may be tried again. A closed one has none, its number is dead.
    claimed = payment.refunds.exclude(state=RefundStatus.CLOSED).aggregate(sum=Sum("amount_fen"))["sum"] or 0
    if not 0 < amount_fen <= payment.amount_fen - claimed:
        raise RefundNotPossible("退款金额超过可退金额")
    if payment.refunds.count() >= MOST_REFUNDS:
        raise RefundNotPossible(f"一笔支付最多退款{MOST_REFUNDS}次")


def refund_create(payment: Payment, amount_fen: int, *, reason: str, requested_by: str, now: datetime) -> Refund:
    """Insert the refund of a payment whose row the caller has locked."""
    refund = Refund.objects.create(
        payment=payment,
        out_refund_no=f"{payment.out_trade_no}R{payment.refunds.count() + 1:02d}",
        amount_fen=amount_fen,
        reason=reason[:80],
        requested_by=requested_by[:64],
        next_try_at=now,
        created_at=now,
    )
    log_step(
        payment,
        "申请退款",
        now,
        actor=requested_by,
        refund=refund,
        to_state=refund.state,
        detail=f"{fen_text(amount_fen)} {reason}",
    )
    refund_send(refund)
    return refund


def refund_send(refund: Refund) -> None:
    """Let a worker take the refund's next step once this is committed."""
    task_send("payments.run_refund", refund.pk)


def refund_run(*, refund_id: int, now: datetime, at_once: bool = False) -> Refund:
    """Take the next step of a refund at the provider: apply, or ask how far it is. Safe to call twice at once.

    :param at_once: do not wait until the step is due.
    """
    refund = Refund.objects.select_related("payment").get(pk=refund_id)
    if _take_turn(refund, now, at_once):
        _step(refund, now)
        refund.refresh_from_db()
    return refund


def _step(refund: Refund, now: datetime) -> GatewayError | None:
    """Answer the error if the provider did not do it."""
    try:
        refund_record(result=_ask(gateway_v3(payee(refund.payment)), refund, now), now=now, source="微信应答")
    except _Denied as denied:
        said = _words(denied.error)
        refund_move(refund.pk, RefundStatus.FAILED, now, actor=SYSTEM, detail=said, last_error=said)
        return denied.error
    except GatewayError as error:
        note_error(refund, _words(error))
        return error
    except PaymentMismatch as error:
        note_error(refund, error.msg)
    except _Gone:
        pass
    return None


class _Denied(Exception):
    """The provider will not do it, and has not done it: a person must look."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(str(error))
        self.error = error


class _Gone(Exception):
    """Somebody ended the refund while it was this one's turn: nothing must be sent."""


def _take_turn(refund: Refund, now: datetime, at_once: bool) -> bool:
    """Move ``next_try_at`` on; only who does that talks to the provider."""
    wait_s = _BACKOFF_S[min(refund.attempts, len(_BACKOFF_S) - 1)]
    # Two workers may see the same attempt as the next one; only the first of them finds the number unchanged.
    turn = Refund.objects.filter(pk=refund.pk, state__in=UNDER_WAY, attempts=refund.attempts)
    if not at_once:
        turn = turn.filter(next_try_at__lte=now)
    taken = turn.update(attempts=refund.attempts + 1, next_try_at=now + timedelta(seconds=wait_s))
    refund.refresh_from_db(fields=["state", "attempts", "next_try_at"])
    return bool(taken)


def _ask(gateway: Gateway, refund: Refund, now: datetime) -> RefundResult:
    """:raises _Denied: a no that is final. :raises GatewayError: any other error, and every one of a mere question."""
    if refund.state == RefundStatus.PROCESSING:
        try:
            return gateway.refund_query(refund.out_refund_no)
        except OrderUnknown:
            if refund.way != RefundWay.ORIGINAL:
                raise
            # It was never really accepted: apply again, the number makes sure it happens once.
    mine = Refund.objects.filter(pk=refund.pk, state__in=UNDER_WAY)
    is_first = mine.filter(sent_at=None).update(sent_at=now)
    if not is_first and not mine.update(sent_at=now):
        raise _Gone
    try:
        return gateway.refund(_intent(refund))
    except GatewayError as error:
        if error.outcome_unknown or isinstance(error, GatewayMisconfigured) or error.code in _CONFIGURATION:
            raise
        denial = _Denied(error)
    # A no may follow a try of unknown outcome, which may have gone through.
    if not is_first:
        try:
            return gateway.refund_query(refund.out_refund_no)
        except OrderUnknown:
            pass
    raise denial


def _intent(refund: Refund) -> RefundIntent:
    return RefundIntent(
        out_trade_no=refund.payment.out_trade_no,
        transaction_id=refund.payment.transaction_id,
        out_refund_no=refund.out_refund_no,
        refund_fen=refund.amount_fen,
        total_fen=refund.payment.amount_fen,
        reason=refund.reason,
        notify_url=settings.PUBLIC_BASE_URL + "/pay/notify",
    )


def note_error(refund: Refund, text: str) -> None:
    Refund.objects.filter(pk=refund.pk).update(last_error=text[:255])


def _words(error: GatewayError) -> str:
    return f"{error.code} {error.message}".strip()[:255]


def refund_record(*, result: RefundResult, now: datetime, source: str) -> Refund:
    """Record what the provider says of a refund, and tell the listener, in one transaction. A repeat changes nothing.

    :raises PaymentUnknown: no refund has this number.
    :raises PaymentMismatch: it speaks of another order or amount. Logged; nothing changed.
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
    facts: dict[str, Any] = {"refund_id": result.refund_id, "last_error": ""}
    facts |= {name: value for name in ("received_by", "funds_account") if (value := getattr(result, name))}
    if refund.accepted_at is None:
        facts["accepted_at"] = result.accepted_at or now
    is_back = result.is_back_at_merchant or (refund.way == RefundWay.MERCHANT and not result.received_by)
    if state == RefundStatus.SUCCESS and is_back:
        state = RefundStatus.OWED
    elif state == RefundStatus.SUCCESS:
        facts["refunded_at"] = result.refunded_at or now
    return refund_move(refund.pk, state, now, actor=source, detail=result.refund_id, **facts)


def refund_move(
    pk: int, state: str, now: datetime, *, actor: str, staff: str = "", detail: str = "", **facts: Any
) -> Refund:
    """Let a refund change its state, its order told, in one transaction; answer it as it is then.

    Nothing changes where ``_FROM`` does not lead to ``state``. No call to the provider is made here.

    :param staff: the member of staff who did it; "" when the provider says so.
    """
    out_trade_no = Payment.objects.values_list("out_trade_no", flat=True).get(refunds=pk)
    with transaction.atomic():
        limit_lock_wait()
        # Order row, payment row, refund row: the same order everywhere.
        listener().lock(out_trade_no=out_trade_no)
        payment = Payment.objects.select_for_update().get(out_trade_no=out_trade_no)
        refund = Refund.objects.select_for_update().get(pk=pk)
        before = refund.state
        if before not in _FROM[state]:
            _note_contradiction(payment, refund, state, now, actor)
            return refund
        refund.state = state
        facts["next_try_at"] = (refund.next_try_at or now) if state in UNDER_WAY else None
        for name, value in facts.items():
            setattr(refund, name, value)
        refund.save(update_fields=["state", *facts])
        log_step(
            payment, _EVENT.get(state, refund.get_state_display()), now, actor=actor, refund=refund,
            from_state=before, to_state=state, detail=detail,
        )  # fmt: skip
        listener().on_refund_changed(
            out_trade_no=out_trade_no,
            out_refund_no=refund.out_refund_no,
            amount_fen=refund.amount_fen,
            state=state,
            now=now,
            staff=staff,
        )
        return refund


def _note_contradiction(payment: Payment, refund: Refund, state: str, now: datetime, actor: str) -> None:
    """Write down, once, that the provider paid a refund that staff had already paid by other means."""
    if refund.state != RefundStatus.OFFLINE or state != RefundStatus.SUCCESS or refund.last_error == PAID_TWICE:
        return
    note_error(refund, PAID_TWICE)
    log.error("refund paid twice", out_refund_no=refund.out_refund_no)
    log_step(payment, PAID_TWICE, now, actor=actor, refund=refund, from_state=refund.state, to_state=refund.state)


def refunds_due(*, now: datetime, limit: int = BATCH) -> list[int]:
    """Refunds whose next step is due, the longest waiting first."""
    due = Refund.objects.filter(next_try_at__lte=now, state__in=UNDER_WAY).order_by("next_try_at")
    return list(due.values_list("pk", flat=True)[:limit])


def refunds_run_due(*, now: datetime) -> int:
    """Take the next step of every refund that is due; answer how many. Stops early when the provider is silent.

    Any number of sweeps may run side by side: each takes a refund's turn before it asks.
    """
    silent = done = 0
    for pk in in_a_sweep(refunds_due(now=now)):
        refund = Refund.objects.select_related("payment").get(pk=pk)
        if _take_turn(refund, now, at_once=False):
            done += 1
            silent += is_silence(_step_quietly(refund, now))
        if silent >= GIVE_UP_AFTER:
            break
    return done


def _step_quietly(refund: Refund, now: datetime) -> GatewayError | None:
    try:
        return _step(refund, now)
    except Exception:  # one whose order is locked too long, say, must not cost the others their turn
        log.exception("refund not moved on", out_refund_no=refund.out_refund_no)
        return None
