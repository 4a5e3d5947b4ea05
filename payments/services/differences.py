"""Differences between the provider's bill and our tables, and the steps that end them.

A bill is unsigned, so nothing is recorded from it. Each step asks the provider and records the signed answer with the
services that also record notifications.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from core.models import Restoration
from core.money import fen_text
from payments.errors import (
    DifferenceEnded,
    GatewayError,
    OrderUnknown,
    PaymentError,
    PaymentMismatch,
    PaymentUnknown,
    RefundNotPossible,
)
from payments.gateways.base import BillRow, PaymentResult, RefundResult
from payments.gateways.wechat import gateway_v3, merchant_of
from payments.gateways.wechat.v3 import WeChatV3
from payments.models import Difference, DifferenceKind, Payment, PaymentStatus, Refund, RefundStatus, TradeType
from payments.selectors import differences_open, refunds_of
from payments.services.confirm import arrival_fields, payment_record
from payments.services.listener_call import lock_payment, order_lock_total
from payments.services.money_log import log_step, set_state
from payments.services.refund import refund_create, refund_record, require_room
from payments.services.sweep import sweep

log = structlog.get_logger("payments")
Ending = Difference.Ending
_S = RefundStatus
# For a refund's state in the bill, the states of ours that agree with it. A bill shows the state on its day, so the
# states that come later agree as well.
_AGREES: dict[str, set[str]] = {
    "SUCCESS": {_S.SUCCESS, _S.OWED},
    "PROCESSING": {_S.PROCESSING, _S.SUCCESS, _S.ABNORMAL, _S.CLOSED, _S.OWED, _S.OFFLINE},
}
_AGREES_WITH_FAILURE = {_S.SUCCESS, _S.ABNORMAL, _S.CLOSED, _S.OWED, _S.OFFLINE}
COMPARISON = "对账"  # the actor who ends what a comparison settles
RESTORE = "恢复备份"  # the actor of what follows from a restore
CLOCKS_DIFFER = timedelta(minutes=1)  # ours and the provider's
MAX_ASKING_S = 60  # of what differs on a day
MAX_SETTLED = 200  # of one run; the next one of the hour goes on


# --- Comparing ---
def ours_by_number(rows: Iterable[BillRow | Difference]) -> Callable[..., Any]:
    """Return a function that finds our payment or refund by the numbers of one of the rows. Two queries."""
    rows = list(rows)
    payments: dict[str, Any] = Payment.objects.in_bulk({row.out_trade_no for row in rows}, field_name="out_trade_no")
    numbers = {row.out_refund_no for row in rows if row.out_refund_no}
    refunds: dict[str, Any] = Refund.objects.select_related("payment").in_bulk(numbers, field_name="out_refund_no")

    def find(out_trade_no: str, out_refund_no: str = "") -> Any:
        return refunds.get(out_refund_no) if out_refund_no else payments.get(out_trade_no)

    return find


def ours_of(difference: Difference) -> Any:
    """Return our payment or refund that a difference is about, or None."""
    return ours_by_number([difference])(difference.out_trade_no, difference.out_refund_no)


def difference_kind(bill: BillRow | Difference, ours: Any) -> str | None:
    """Return how the bill's side and ours disagree; None if they agree.

    :param ours: what ``ours_of`` returns.
    """
    if isinstance(bill, Difference) and bill.bill_fen is None:  # missing in its day's bill; another day's may have it
        return bill.kind if ours is not None and ours.billed_on is None else None
    if ours is None:
        return DifferenceKind.REFUND_UNKNOWN_HERE if bill.out_refund_no else DifferenceKind.STRAY_MONEY
    if bill.bill_fen != ours.amount_fen:
        return DifferenceKind.AMOUNT
    if isinstance(ours, Refund):
        is_same = (bill.out_trade_no, bill.mch_id) == (ours.payment.out_trade_no, ours.payment.mch_id)
        states = _AGREES.get(bill.bill_state, _AGREES_WITH_FAILURE)
        return None if is_same and ours.state in states else DifferenceKind.STATE
    if ours.state == PaymentStatus.STRAY:
        return None if not refunds_of(ours).rest_fen else DifferenceKind.STRAY_MONEY
    is_same = (bill.bill_state, bill.transaction_id, bill.mch_id) == ("SUCCESS", ours.transaction_id, ours.mch_id)
    return None if ours.is_paid and is_same else DifferenceKind.STATE


def bill_day_note(day: date, ours: Iterable[Any]) -> None:
    """Note the day whose bill agrees with payments and refunds of ours: no other day's bill then lacks them."""
    keys = defaultdict(list)
    for row in ours:
        keys[type(row)].append(row.pk)
    for model, pks in keys.items():
        model._default_manager.filter(pk__in=pks, billed_on=None).update(billed_on=day)


def still_differs(difference: Difference, ours: Any) -> bool:
    """Compare a difference again; if both sides agree now, that is noted on ours. The difference is not saved."""
    kind = difference_kind(difference, ours)
    if kind is None:
        bill_day_note(difference.day, filter(None, [ours]))
        return False
    difference.set_ours(kind, ours)
    return True


def differences_ask(rows: QuerySet[Difference], *, now: datetime) -> None:
    """Ask the provider about open differences, as staff do with a button; end those that its answers settle.

    Stop after a minute, or when the provider does not answer.
    """

    def ask(row: Difference) -> GatewayError | bool:
        try:
            difference_ask(difference_id=row.pk, actor=COMPARISON, now=now)
        except GatewayError as error:
            rows.filter(pk=row.pk).update(note=str(error))
            return error
        return True

    sweep(rows, ask, seconds=MAX_ASKING_S)


def _ask_and_record(difference: Difference, now: datetime) -> str:
    """Ask the provider about a difference and record the answer; return for staff what it was.

    :raises GatewayError: no answer.
    """
    try:
        if difference.out_refund_no:
            refund = _gateway(difference).refund_query(difference.out_refund_no)
            refund_record(result=refund, now=now, source="对账单")
            return f"微信：{refund.status} {fen_text(refund.refund_fen)}"
        payment = _gateway(difference).query(difference.out_trade_no)
        payment_record(result=payment, now=now, source="对账单")
        return f"微信：{payment.trade_state} {fen_text(payment.paid_fen)}"
    except OrderUnknown:
        return "微信：没有这个单号"
    except (PaymentMismatch, PaymentUnknown) as error:
        return f"微信有此记录：{error.msg}"


def _gateway(difference: Difference) -> WeChatV3:
    return gateway_v3(merchant_of(difference.appid, difference.mch_id))


# --- Steps of staff, and of the restore ---
def difference_ask(*, difference_id: int, actor: str, now: datetime) -> Difference:
    """Ask the provider about a difference and record the answer; end the difference if both sides agree then.

    Not in a transaction, like the next two. The provider's answer is kept in ``note``.

    :raises DifferenceEnded: a colleague or a later comparison has ended the difference already.
    :raises WeChatRefused, ProviderDown: the provider cannot be asked.
    """
    difference = _open(difference_id)
    return _examine(difference, _ask_and_record(difference, now), actor, now)


def difference_return(*, difference_id: int, actor: str, now: datetime) -> Difference:
    """Refund all the money of a difference, since it fits no order of ours.

    :raises RefundNotPossible: the money belongs to an order; ``msg`` says what to do.
    :raises DifferenceEnded, WeChatRefused, ProviderDown: see ``difference_ask``.
    """
    difference = _open(difference_id)
    result = _gateway(difference).query(difference.out_trade_no)
    payment_return_stray(result=result, actor=actor, now=now)
    note = "已提交退款" if result.trade_state == "SUCCESS" else "微信侧已有退款，请再补记它的退款单"
    return _examine(difference, note, actor, now)


def difference_add_refund(*, difference_id: int, actor: str, now: datetime) -> Difference:
    """Record a refund that only the provider knows.

    :raises RefundNotPossible: its payment is not recorded here yet, or another refund here uses the money.
    :raises DifferenceEnded, WeChatRefused, ProviderDown: see ``difference_ask``.
    """
    difference = _open(difference_id)
    result = _gateway(difference).refund_query(difference.out_refund_no)
    refund_add_missing(result=result, actor=actor, now=now)
    return _examine(difference, "已补记", actor, now)


def difference_accept(*, difference_id: int, reason: str, actor: str, now: datetime) -> None:
    """End a difference that a member of staff has explained, without any change elsewhere.

    :raises DifferenceEnded: the difference has ended already.
    """
    ending = {"ending": Ending.ACCEPTED, "ended_at": now, "ended_by": actor[:64], "note": reason[:255]}
    if not Difference.objects.filter(pk=difference_id, ending=Ending.OPEN).update(**ending):
        raise DifferenceEnded


def differences_settle_lost(*, now: datetime) -> None:
    """End the differences that a restore has made: money without an order is refunded, refunds are recorded.

    Such a buyer has neither goods nor an order, so staff need not decide. What is refused is left to staff. Not in a
    transaction.
    """
    if (restoration := Restoration.objects.first()) is None:
        return
    gap = (restoration.written_at - CLOCKS_DIFFER, restoration.restored_at + CLOCKS_DIFFER)
    candidates = differences_open().filter(bill_at__range=gap).order_by("pk")
    # A refund can be recorded only after its payment.
    kinds = DifferenceKind.STRAY_MONEY, DifferenceKind.REFUND_UNKNOWN_HERE
    for kind, settle in zip(kinds, (difference_return, difference_add_refund), strict=True):
        for pk in candidates.filter(kind=kind).values_list("pk", flat=True)[:MAX_SETTLED]:
            try:
                settle(difference_id=pk, actor=RESTORE, now=now)
            except PaymentError as error:
                log.warning("difference of a restore not settled", difference=pk, reason=error.msg)


def _open(difference_id: int) -> Difference:
    difference = Difference.objects.get(pk=difference_id)
    if difference.ending:
        raise DifferenceEnded
    return difference


def _examine(difference: Difference, note: str, actor: str, now: datetime) -> Difference:
    """Compare both sides again after a step; end the difference, or update its columns."""
    with transaction.atomic():
        row = Difference.objects.select_for_update().get(pk=difference.pk)
        if row.ending:
            return row  # another member of staff took the same step
        if still_differs(row, ours_of(row)):
            row.note = note[:255]
            row.save(update_fields=["kind", "note", "our_state", "our_fen"])
        else:
            difference_end(row, Ending.GONE, actor, now, note)
        return row


def difference_end(difference: Difference, ending: str, actor: str, now: datetime, note: str) -> None:
    """End a difference whose row the caller has locked."""
    difference.ending, difference.ended_at = ending, now
    difference.ended_by, difference.note = actor[:64], note[:255]
    difference.save(update_fields=["ending", "ended_at", "ended_by", "note"])


# --- Money that the provider moved and our tables lack ---
def payment_return_stray(*, result: PaymentResult, actor: str, now: datetime) -> None:
    """Record money that fits no order as a stray payment, and refund all of it. A repeat changes nothing.

    :param result: the provider's answer: SUCCESS, or REFUND when it has refunded some already; then nothing is sent.
    :raises RefundNotPossible: the money belongs to an order, or is on its way back.
    """
    with transaction.atomic():
        owed_fen = order_lock_total(result.out_trade_no, None)
        payment = Payment.objects.select_for_update().filter(out_trade_no=result.out_trade_no).first()
        _require_stray(payment, owed_fen, result)
        payment = payment or Payment(
            out_trade_no=result.out_trade_no, time_start=now, time_expire=now, created_at=now, state=""
        )
        try:
            _mark_stray(payment, result, actor, now)
        except IntegrityError:  # where there is no order, nothing is locked for two who return its money at once
            raise RefundNotPossible("这笔款刚刚已经退回") from None
        if result.trade_state == "SUCCESS":
            require_room(payment, payment.amount_fen)
            refund_create(payment, payment.amount_fen, reason="款项与订单不符，原路退回", requested_by=actor, now=now)


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
    price = f"，原应付{fen_text(payment.amount_fen)}" if payment.pk else ""
    detail = f"{result.transaction_id} {fen_text(result.paid_fen)}{price}"
    fields = arrival_fields(result, now) | {"amount_fen": result.paid_fen}
    if result.trade_type in TradeType.values:
        fields["trade_type"] = result.trade_type
    set_state(payment, PaymentStatus.STRAY, "款项与订单不符", now, actor=actor, detail=detail, **fields)


def refund_add_missing(*, result: RefundResult, actor: str, now: datetime) -> Refund:
    """Record a refund that only the provider has, and tell the listener. A repeat changes nothing.

    Such a refund was made on the merchant platform, or was lost when a backup was restored.

    :raises RefundNotPossible: its payment is not recorded here, or another refund here uses the money.
    """
    with transaction.atomic():
        payments = Payment.objects.filter(state__in=(PaymentStatus.PAID, PaymentStatus.STRAY))
        if not payments.filter(out_trade_no=result.out_trade_no).exists():
            raise RefundNotPossible("请先处理它所属的收款")
        payment = lock_payment(result.out_trade_no)
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
    detail = fen_text(result.refund_fen)
    log_step(payment, "补记退款", now, actor=actor, refund=refund, to_state=refund.state, detail=detail)
