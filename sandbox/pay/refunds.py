"""Refunds: accepted at once and settled a little later, as at the real provider."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils.crypto import get_random_string

from core.times import local
from sandbox.faults import faults_on
from sandbox.models import FaultKind, Refund, RefundState, Trade, TradeState
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.notices import refund_notices_create

SETTLES_AFTER = timedelta(seconds=3)  # the real provider takes minutes to days
PAYERS_ACCOUNT = Refund._meta.get_field("receiver").default
BATCH = 50


def refund_create(*, draft: Refund, total_fee: int, now: datetime) -> Refund:
    """Accept a refund. A known number with the same amounts returns the refund that exists.

    :raises Refused: NOT_PAID, NUMBER_REFUNDED, REFUND_TOO_MUCH.
    """
    draft.created_at, draft.settles_at = now, now + SETTLES_AFTER
    digits = get_random_string(18, "0123456789")
    draft.refund_id = f"503{digits[:8]}{local(now):%Y%m%d}{digits[8:]}"
    with transaction.atomic():
        trade = Trade.objects.select_for_update().get(pk=draft.trade_id)
        refund = Refund.objects.filter(out_refund_no=draft.out_refund_no).select_related("trade").first() or draft
        if (refund.trade_id, refund.refund_fee, trade.total_fee) != (trade.pk, draft.refund_fee, total_fee):
            raise Refused(Reason.NUMBER_REFUNDED)
        if refund is draft:
            _check_room(trade, draft.refund_fee)
            draft.save()
            Trade.objects.filter(pk=trade.pk).update(state=TradeState.REFUND)
        return refund


def refunds_settle(*, now: datetime, refunds: QuerySet[Refund] | None = None) -> int:
    """Settle the refunds that are due (all, or those in ``refunds``). Return how many. Each one notifies once."""
    rows = Refund.objects.filter(state=RefundState.PROCESSING, settles_at__lte=now).order_by("settles_at")
    if refunds is not None:
        rows = rows.filter(pk__in=refunds.order_by().values("pk"))
    return sum(_settle(pk, now) for pk in rows.values_list("pk", flat=True)[:BATCH])


def _settle(pk: int, now: datetime) -> bool:
    with transaction.atomic():
        refund = Refund.objects.select_related("trade").select_for_update(of=["self"]).get(pk=pk)
        if refund.state != RefundState.PROCESSING:  # another sweep was faster
            return False
        refund.state, refund.settled_at = _outcome(refund), now
        refund.save(update_fields=["state", "settled_at"])
        refund_notices_create(refund=refund, now=now)
        return True


def _outcome(refund: Refund) -> RefundState:
    """Return the state a refund ends in. The faults affect only refunds to the payer, not those to another account."""
    faults = faults_on(refund.trade)
    if refund.receiver == PAYERS_ACCOUNT and FaultKind.REFUND_CLOSED in faults:
        return RefundState.CLOSED
    is_abnormal = refund.receiver == PAYERS_ACCOUNT and FaultKind.REFUND_ABNORMAL in faults
    return RefundState.ABNORMAL if is_abnormal else RefundState.SUCCESS


def refund_divert(*, refund_id: str, out_refund_no: str, receiver: str, now: datetime) -> Refund:
    """Send an abnormal refund to another account, where it settles a little later.

    :raises Refused: REFUND_UNKNOWN, NOT_ABNORMAL.
    """
    with transaction.atomic():
        mine = Refund.objects.select_related("trade").select_for_update(of=["self"])
        refund = mine.filter(refund_id=refund_id, out_refund_no=out_refund_no).first()
        if refund is None:
            raise Refused(Reason.REFUND_UNKNOWN)
        if refund.state != RefundState.ABNORMAL:
            raise Refused(Reason.NOT_ABNORMAL)
        refund.state, refund.receiver, refund.settled_at = RefundState.PROCESSING, receiver, None
        refund.settles_at = now + SETTLES_AFTER
        refund.save(update_fields=["state", "receiver", "settled_at", "settles_at"])
        return refund


def _check_room(trade: Trade, fen: int) -> None:
    """Check that ``fen`` of the order may be refunded.

    :raises Refused: NOT_PAID, REFUND_TOO_MUCH.
    """
    if not trade.is_paid:
        raise Refused(Reason.NOT_PAID)
    sums = trade.refunds.exclude(state=RefundState.CLOSED).aggregate(fen=Sum("refund_fee", default=0))
    if sums["fen"] + fen > trade.total_fee:
        raise Refused(Reason.REFUND_TOO_MUCH)
