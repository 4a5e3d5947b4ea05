"""Giving money back: written down first, then asked of the provider until it answers, under one number."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from core.db.locks import alone
from core.money import fen_text
from payments.errors import PaymentMismatch, PaymentUnknown, RefundNotPossible
from payments.gateways.base import (
    Gateway,
    GatewayError,
    GatewayMisconfigured,
    OrderUnknown,
    RefundIntent,
    RefundResult,
)
from payments.gateways.wechat import gateway_v3
from payments.models import Payment, Refund, RefundStatus
from payments.register import listener
from payments.services.provider import (
    BATCH,
    GIVE_UP_AFTER,
    SYSTEM,
    is_silence,
    limit_lock_wait,
    log_step,
    payee,
    payees,
)

_SWEEP_LOCK = 0x70617902
_BACKOFF_S = (15, 30, 60, 300, 900, 3600)
_UNDER_WAY = (RefundStatus.PENDING, RefundStatus.PROCESSING)
_EVENT: dict[str, str] = {RefundStatus.PENDING: "重试退款", RefundStatus.PROCESSING: "微信受理退款"}
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

    :raises RefundNotPossible: the payment is not paid, or less than ``amount_fen`` is left of it.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update().filter(out_trade_no=out_trade_no).first()
        if payment is None or not payment.is_paid:
            raise RefundNotPossible("该订单尚未支付,无法退款")
        if not 0 < amount_fen <= _refundable_fen(payment):
            raise RefundNotPossible("退款金额超过可退金额")
        return refund_create(payment, amount_fen, reason=reason, requested_by=requested_by, now=now)


def _refundable_fen(payment: Payment) -> int:
    # A failed one keeps its claim: it may be tried again.
    claimed = payment.refunds.exclude(state=RefundStatus.CLOSED).aggregate(sum=Sum("amount_fen"))["sum"] or 0
    return payment.amount_fen - claimed


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
    _run_after_commit(refund)
    return refund


def _run_after_commit(refund: Refund) -> None:
    from payments.tasks import run_refund  # tasks stand above services

    def send() -> None:
        run_refund.apply_async(args=(refund.pk,), retry=False)

    # Without a broker the commit stands all the same; the sweep finds the row.
    transaction.on_commit(send, robust=True)


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
        refund_settle(result=_ask(gateway_v3(payee(refund.payment)), refund), now=now, source="微信应答")
    except GatewayError as error:
        _note_failure(refund, error, now)
        return error
    except PaymentMismatch as error:
        Refund.objects.filter(pk=refund.pk).update(last_error=error.msg[:255])
    return None


def _take_turn(refund: Refund, now: datetime, at_once: bool) -> bool:
    """Move ``next_try_at`` on; only who does that talks to the provider."""
    wait_s = _BACKOFF_S[min(refund.attempts, len(_BACKOFF_S) - 1)]
    # Who counts the same attempt second, finds it counted.
    turn = Refund.objects.filter(pk=refund.pk, state__in=_UNDER_WAY, attempts=refund.attempts)
    if not at_once:
        turn = turn.filter(next_try_at__lte=now)
    taken = turn.update(attempts=refund.attempts + 1, next_try_at=now + timedelta(seconds=wait_s))
    refund.refresh_from_db(fields=["state", "attempts", "next_try_at"])
    return bool(taken)


def _ask(gateway: Gateway, refund: Refund) -> RefundResult:
    if refund.state == RefundStatus.PROCESSING:
        try:
            return gateway.refund_query(refund.out_refund_no)
        except OrderUnknown:
            pass  # it was never really accepted: apply again, the number makes sure it happens once
    try:
        return gateway.refund(_intent(refund))
    except GatewayError as error:
        if error.outcome_unknown or refund.attempts == 1:
            raise
        # A no after a try of unknown outcome: that try may have gone through.
        try:
            return gateway.refund_query(refund.out_refund_no)
        except OrderUnknown:
            raise error from None


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


def _note_failure(refund: Refund, error: GatewayError, now: datetime) -> None:
    """Keep trying what may yet succeed; hand what was refused to a person."""
    said = f"{error.code} {error.message}".strip()[:255]
    if error.may_retry or isinstance(error, GatewayMisconfigured):
        Refund.objects.filter(pk=refund.pk).update(last_error=said)
        return
    _move(refund.pk, RefundStatus.FAILED, now, actor=SYSTEM, detail=said, last_error=said)


def refund_settle(*, result: RefundResult, now: datetime, source: str) -> Refund:
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
    facts: dict[str, object] = {"refund_id": result.refund_id, "last_error": ""}
    if state == RefundStatus.SUCCESS:
        facts["refunded_at"] = result.refunded_at or now
    return _move(refund.pk, state, now, actor=source, detail=result.refund_id, **facts)


def _may_follow(new: str, old: str) -> bool:
    """Late news changes nothing: a success is final, and "processing" says less than any end."""
    if old in (RefundStatus.SUCCESS, new):
        return False
    return new != RefundStatus.PROCESSING or old in (RefundStatus.PENDING, RefundStatus.FAILED)


def _move(pk: int, state: str, now: datetime, *, actor: str, detail: str = "", **facts: object) -> Refund:
    out_trade_no = Payment.objects.values_list("out_trade_no", flat=True).get(refunds=pk)
    with transaction.atomic():
        limit_lock_wait()
        # Order row, payment row, refund row: the same order everywhere.
        listener().lock(out_trade_no=out_trade_no)
        payment = Payment.objects.select_for_update().get(out_trade_no=out_trade_no)
        refund = Refund.objects.select_for_update().get(pk=pk)
        before = refund.state
        if not _may_follow(state, before):
            return refund
        refund.state = state
        if state not in _UNDER_WAY:
            facts["next_try_at"] = None
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
        )
        return refund


def refund_retry(*, refund_id: int, actor: str, now: datetime) -> Refund:
    """Try a failed or abnormal refund again, under its old number.

    :raises RefundNotPossible: it is under way or done.
    """
    refund = Refund.objects.get(pk=refund_id)
    if refund.state not in (RefundStatus.FAILED, RefundStatus.ABNORMAL):
        raise RefundNotPossible("只有失败或异常的退款可以重试")
    refund = _move(refund.pk, RefundStatus.PENDING, now, actor=actor, next_try_at=now, last_error="")
    _run_after_commit(refund)
    return refund


def refunds_due(*, now: datetime, limit: int = BATCH) -> list[int]:
    """Refunds whose next step is due, the longest waiting first."""
    due = Refund.objects.filter(next_try_at__lte=now, state__in=_UNDER_WAY).order_by("next_try_at")
    return list(due.values_list("pk", flat=True)[:limit])


def refunds_run_due(*, now: datetime) -> int:
    """Take the next step of every refund that is due; answer how many. One sweep at a time, short in a silence."""
    silent = done = 0
    with alone(_SWEEP_LOCK) as is_alone:
        for pk in refunds_due(now=now) if is_alone else []:
            refund = Refund.objects.select_related("payment").get(pk=pk)
            if _take_turn(refund, now, at_once=False):
                done += 1
                silent += is_silence(_step(refund, now))
            if silent >= GIVE_UP_AFTER:
                break
    return done
