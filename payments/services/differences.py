"""Differences between the provider's bill and our tables, and the steps that end them.

A bill is unsigned, so nothing is recorded from it. Each step asks the provider and records the signed answer with the
services that also record notifications.
"""

import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Sum

from core.money import fen_text
from core.ops import restored
from payments.errors import DifferenceEnded, PaymentError
from payments.gateways.base import BillRow, GatewayError, OrderUnknown
from payments.gateways.wechat import gateway_v3, merchant_of
from payments.gateways.wechat.v3 import WeChatV3
from payments.models import CURRENCY, Difference, DifferenceKind, Payment, PaymentStatus, Refund, RefundStatus
from payments.services.common import GIVE_UP_AFTER, as_refusal, is_silence
from payments.services.confirm import payment_record
from payments.services.refund import refund_record
from payments.services.unrecorded import payment_return_stray, refund_add_missing

log = structlog.get_logger("payments")
Ending = Difference.Ending
_S = RefundStatus
# For a refund's state in the bill, the states of ours that agree with it. A bill shows the state on its day, so the
# states that come later agree as well.
_AGREES: dict[str, set[str]] = {
    "SUCCESS": {_S.SUCCESS, _S.OWED},
    "PROCESSING": {_S.PROCESSING, _S.SUCCESS, _S.ABNORMAL, _S.CLOSED, _S.OWED, _S.OFFLINE},
}
_UNKNOWN = "微信：没有这个单号"
RESTORE = "恢复备份"  # the actor of what follows from a restore
CLOCKS_DIFFER = timedelta(minutes=1)  # ours and the provider's
MAX_SETTLED = 200  # of one run; the next one of the hour goes on
_WORDS = {
    "SUCCESS": "支付成功",
    "REFUND": "有退款",
    "NOTPAY": "未支付",
    "CLOSED": "已关闭",
    "REVOKED": "已撤销",
    "USERPAYING": "支付中",
    "PAYERROR": "支付失败",
}
_REFUND_WORDS = {
    "SUCCESS": "退款成功",
    "PROCESSING": "退款中",
    "CLOSED": "退款关闭",
    "ABNORMAL": "退款异常",
    "FAIL": "退款失败",
    "CHANGE": "转入异常",
}
_AGREES_WITH_FAILURE = {_S.SUCCESS, _S.ABNORMAL, _S.CLOSED, _S.OWED, _S.OFFLINE}


def provider_words(state: str, *, is_refund: bool) -> str:
    """Return the provider's word for a state in Chinese; one that its documentation does not name stays as it is."""
    return (_REFUND_WORDS if is_refund else _WORDS).get(state, state)


def payment_kind(row: BillRow, payment: Payment | None) -> DifferenceKind | None:
    """Return how a payment in the bill differs from ours; None if it does not."""
    if payment is None:
        return DifferenceKind.STRAY_MONEY
    if row.fen != payment.amount_fen or payment.currency != CURRENCY:
        return DifferenceKind.AMOUNT
    if payment.state == PaymentStatus.STRAY:
        return None if _is_on_its_way_back(payment) else DifferenceKind.STRAY_MONEY
    is_same = (row.state, row.transaction_id, row.mch_id) == ("SUCCESS", payment.transaction_id, payment.mch_id)
    return None if payment.is_paid and is_same else DifferenceKind.STATE


def _is_on_its_way_back(payment: Payment) -> bool:
    back_fen = payment.refunds.exclude(state=_S.CLOSED).aggregate(sum=Sum("amount_fen"))["sum"] or 0
    return back_fen == payment.amount_fen


def refund_kind(row: BillRow, refund: Refund | None) -> DifferenceKind | None:
    """Return how a refund in the bill differs from ours (read with its payment); None if it does not."""
    if refund is None:
        return DifferenceKind.REFUND_UNKNOWN_HERE
    if row.fen != refund.amount_fen:
        return DifferenceKind.AMOUNT
    is_same = (row.out_trade_no, row.mch_id) == (refund.payment.out_trade_no, refund.payment.mch_id)
    agreed = _AGREES.get(row.state, _AGREES_WITH_FAILURE)
    return None if is_same and refund.state in agreed else DifferenceKind.STATE


def kind_of(row: BillRow, ours: Any) -> DifferenceKind | None:
    """Return how a row of the bill differs from our payment or refund; None if it does not."""
    return refund_kind(row, ours) if row.out_refund_no else payment_kind(row, ours)


def is_worth_asking(kind: DifferenceKind | None, row: BillRow, ours: Any) -> bool:
    """Tell whether the provider's answer may end the difference without a decision of staff."""
    if row.out_refund_no:
        return kind is DifferenceKind.STATE
    is_final = ours is not None and ours.state in (PaymentStatus.PAID, PaymentStatus.STRAY)
    return kind in (DifferenceKind.STRAY_MONEY, DifferenceKind.STATE) and not is_final


class ProviderQueryBudget:
    """Asks the provider during a comparison, up to a number and a time, and not once the provider stops answering."""

    def __init__(self, now: datetime, *, most: int, seconds: float) -> None:
        self._now, self._left, self._silent = now, most, 0
        self._ends_at = time.monotonic() + seconds

    def ask(self, row: BillRow) -> str:
        """Ask about a row of the bill and record the answer; return in Chinese why that failed, "" if it did not."""
        if not self._left or self._silent >= GIVE_UP_AFTER or time.monotonic() > self._ends_at:
            return "还没有查询"
        self._left -= 1
        try:
            _ask_and_record(row, self._now)
        except OrderUnknown:
            return _UNKNOWN
        except PaymentError as error:
            return error.msg
        except GatewayError as error:
            self._silent += is_silence(error)
            return f"{error.code} {error.message}".strip()
        except DatabaseError:  # such as a row that is locked too long: the comparison goes on
            log.exception("answer about a difference not recorded")
            return "本地暂时无法入账，请再查询"
        return ""


def _ask_and_record(row: BillRow, now: datetime) -> str:
    """Ask the provider about a row of the bill and record the answer; return it as text for staff.

    :raises GatewayError: no answer. :raises PaymentError: the answer does not fit what we have.
    """
    if row.out_refund_no:
        refund = _gateway(row).refund_query(row.out_refund_no)
        refund_record(result=refund, now=now, source="对账单")
        return f"{refund.status} {fen_text(refund.refund_fen)}"
    payment = _gateway(row).query(row.out_trade_no)
    payment_record(result=payment, now=now, source="bill")
    return f"{payment.trade_state} {fen_text(payment.paid_fen)}"


def _gateway(row: BillRow) -> WeChatV3:
    return gateway_v3(merchant_of(row.appid, row.mch_id))


def difference_ask(*, difference_id: int, actor: str, now: datetime) -> Difference:
    """Ask the provider about a difference and record the answer; end the difference if both sides agree then.

    Not in a transaction. The provider's answer is kept in ``note``.

    :raises DifferenceEnded: the difference has ended already.
    """
    difference = _open(difference_id)
    row = row_of(difference)
    try:
        note = f"微信：{_ask_and_record(row, now)}"
    except OrderUnknown:
        note = _UNKNOWN
    except PaymentError as error:
        note = f"微信有此记录：{error.msg}"
    except GatewayError as error:
        raise as_refusal(error) from None
    return _examine(difference, note, actor, now)


def difference_return(*, difference_id: int, actor: str, now: datetime) -> Difference:
    """Refund all the money of a difference, since it fits no order of ours. Not in a transaction.

    :raises DifferenceEnded: the difference has ended already.
    :raises RefundNotPossible: the money belongs to an order; ``msg`` says what to do.
    :raises WeChatRefused, ProviderDown: the provider does not know it, or cannot be asked.
    """
    difference = _open(difference_id)
    row = row_of(difference)
    try:
        result = _gateway(row).query(row.out_trade_no)
    except GatewayError as error:
        raise as_refusal(error) from None
    payment_return_stray(result=result, actor=actor, now=now)
    note = "已提交退款" if result.trade_state == "SUCCESS" else "微信侧已有退款，请再补记它的退款单"
    return _examine(difference, note, actor, now)


def differences_settle_lost(*, now: datetime) -> None:
    """End the differences that a restore has made: money without an order is refunded, refunds are recorded.

    Such a buyer has neither goods nor an order, so nobody need decide. What is refused is left to staff. Not in a
    transaction.
    """
    if (restoration := restored.latest()) is None:
        return
    gap = (restoration.written_at - CLOCKS_DIFFER, restoration.restored_at + CLOCKS_DIFFER)
    lost = Difference.objects.filter(ending=Ending.OPEN, bill_at__range=gap).order_by("pk")
    # A refund can be recorded only after its payment.
    kinds = DifferenceKind.STRAY_MONEY, DifferenceKind.REFUND_UNKNOWN_HERE
    for kind, settle in zip(kinds, (difference_return, difference_add_refund), strict=True):
        for pk in lost.filter(kind=kind).values_list("pk", flat=True)[:MAX_SETTLED]:
            try:
                settle(difference_id=pk, actor=RESTORE, now=now)
            except PaymentError as error:
                log.warning("difference of a restore not settled", difference=pk, reason=error.msg)


def difference_add_refund(*, difference_id: int, actor: str, now: datetime) -> Difference:
    """Record a refund that only the provider knows. Not in a transaction.

    :raises DifferenceEnded: the difference has ended already.
    :raises RefundNotPossible: its payment is not recorded here yet, or another refund here uses the money.
    :raises WeChatRefused, ProviderDown: the provider does not know it, or cannot be asked.
    """
    difference = _open(difference_id)
    row = row_of(difference)
    try:
        result = _gateway(row).refund_query(row.out_refund_no)
    except GatewayError as error:
        raise as_refusal(error) from None
    refund_add_missing(result=result, actor=actor, now=now)
    return _examine(difference, "已补记", actor, now)


def difference_accept(*, difference_id: int, reason: str, actor: str, now: datetime) -> Difference:
    """End a difference that a member of staff has explained, without any change elsewhere.

    :raises DifferenceEnded: the difference has ended already.
    """
    with transaction.atomic():
        difference = _locked(difference_id)
        _end(difference, Ending.ACCEPTED, actor, now, reason)
        return difference


def _open(difference_id: int) -> Difference:
    difference = Difference.objects.get(pk=difference_id)
    if difference.ending:
        raise DifferenceEnded
    return difference


def _locked(difference_id: int) -> Difference:
    difference = Difference.objects.select_for_update().get(pk=difference_id)
    if difference.ending:
        raise DifferenceEnded
    return difference


def row_of(difference: Difference) -> BillRow:
    """Return the bill's row that a difference is about, made up from our side if the bill has none."""
    return BillRow(
        at=difference.bill_at or difference.found_at,
        appid=difference.appid,
        mch_id=difference.mch_id,
        out_trade_no=difference.out_trade_no,
        transaction_id=difference.transaction_id,
        state=difference.bill_state,
        fen=difference.bill_fen or 0,
        out_refund_no=difference.out_refund_no,
        refund_id=difference.refund_id,
    )


def ours_of(row: BillRow) -> Payment | Refund | None:
    """Return our payment or refund that a row of the bill is about."""
    if row.out_refund_no:
        return Refund.objects.select_related("payment").filter(out_refund_no=row.out_refund_no).first()
    return Payment.objects.filter(out_trade_no=row.out_trade_no).first()


def difference_of(kind: DifferenceKind, row: BillRow, ours: Payment | Refund | None, **facts: Any) -> Difference:
    """Return an unsaved difference of a row of the bill and our payment or refund."""
    difference = Difference(
        mch_id=row.mch_id,
        kind=kind,
        out_trade_no=row.out_trade_no,
        out_refund_no=row.out_refund_no,
        appid=row.appid,
        transaction_id=row.transaction_id,
        refund_id=row.refund_id,
        bill_state=row.state,
        bill_fen=row.fen,
        bill_at=row.at,
        **facts,
    )
    _set_ours(difference, ours)
    return difference


def _set_ours(difference: Difference, ours: Payment | Refund | None) -> None:
    difference.our_state = ours.get_state_display() if ours else ""
    difference.our_fen = ours.amount_fen if ours else None


def _examine(difference: Difference, note: str, actor: str, now: datetime) -> Difference:
    """Compare both sides again after a step; end the difference, or update its columns."""
    row = row_of(difference)
    ours = ours_of(row)
    kind = _kind_now(difference, row, ours)
    with transaction.atomic():
        try:
            locked = _locked(difference.pk)
        except DifferenceEnded:  # another member of staff took the same step
            return Difference.objects.get(pk=difference.pk)
        if kind is None:
            _mark_billed(ours, locked)
            _end(locked, Ending.GONE, actor, now, note)
            return locked
        locked.kind, locked.note = kind, note[:255]
        _set_ours(locked, ours)
        locked.save(update_fields=["kind", "note", "our_state", "our_fen"])
        return locked


def _kind_now(difference: Difference, row: BillRow, ours: Any) -> DifferenceKind | None:
    if difference.bill_fen is None:  # it is missing in this day's bill; only another day's bill can have it
        return None if ours is None or ours.billed_on else DifferenceKind(difference.kind)
    return kind_of(row, ours)


def _mark_billed(ours: Any, difference: Difference) -> None:
    if ours is not None and ours.billed_on is None:
        type(ours)._default_manager.filter(pk=ours.pk).update(billed_on=difference.day)


def difference_end_gone(*, difference: Difference, now: datetime) -> None:
    """End a difference that the latest comparison did not find any more."""
    _end(difference, Ending.GONE, "对账", now, difference.note)


def _end(difference: Difference, ending: str, actor: str, now: datetime, note: str) -> None:
    difference.ending, difference.ended_at = ending, now
    difference.ended_by, difference.note = actor[:64], note[:255]
    difference.save(update_fields=["ending", "ended_at", "ended_by", "note"])
