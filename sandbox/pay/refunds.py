"""Refunds: accepted at once, settled a little later, like the real ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Sum

from sandbox.faults import FaultKind, faults_on
from sandbox.models import Api, Refund, RefundState, Trade, TradeState
from sandbox.pay.errors import Reason, Refused
from sandbox.pay.numbers import refund_number

SETTLES_AFTER = timedelta(seconds=3)  # minutes to days at the real one
MAX_REFUNDS = 50
BATCH = 50


@dataclass(frozen=True, kw_only=True)
class NewRefund:
    """A checked refund as either API asks for it; amounts in fen."""

    api: Api
    trade: Trade
    out_refund_no: str
    total_fee: int
    refund_fee: int
    reason: str
    notify_url: str
    signed_by: str = ""


def refund_create(*, new: NewRefund, now: datetime) -> Refund:
    """Accept a refund; the same number with the same amounts answers the refund it made before.

    :raises Refused: NOT_PAID, NUMBER_REFUNDED, REFUND_TOO_MUCH, REFUNDS_TOO_MANY.
    """
    with transaction.atomic():
        trade = Trade.objects.select_for_update().get(pk=new.trade.pk)
        refund, is_new = Refund.objects.get_or_create(
            out_refund_no=new.out_refund_no,
            defaults={
                "trade": trade,
                "refund_id": refund_number(now),
                "api": new.api,
                "signed_by": new.signed_by,
                "refund_fee": new.refund_fee,
                "reason": new.reason,
                "notify_url": new.notify_url,
                "created_at": now,
                "settles_at": now + SETTLES_AFTER,
            },
        )
        # A refusal takes the new row back with it.
        if is_new:
            _check_room(trade)
            Trade.objects.filter(pk=trade.pk).update(state=TradeState.REFUND)
        if (refund.trade_id, refund.refund_fee, trade.total_fee) != (trade.pk, new.refund_fee, new.total_fee):
            raise Refused(Reason.NUMBER_REFUNDED)
        return refund


def refunds_settle(*, now: datetime, refunds: Iterable[Refund] | None = None) -> int:
    """Settle what is due (of ``refunds``, else of all); answer how many. Each settles and notifies once."""
    due = Refund.objects.filter(state=RefundState.PROCESSING, settles_at__lte=now).order_by("settles_at")
    if refunds is not None:
        due = due.filter(pk__in=[refund.pk for refund in refunds])
    return sum(_settle(pk, now) for pk in due.values_list("pk", flat=True)[:BATCH])


def _settle(pk: int, now: datetime) -> bool:
    from sandbox.pay.notices import refund_notices_create

    trade = Trade.objects.get(refunds=pk)
    state = RefundState.ABNORMAL if FaultKind.REFUND_ABNORMAL in faults_on(trade) else RefundState.SUCCESS
    with transaction.atomic():
        # The change of state is the guard: of two sweeps one goes on.
        open_refund = Refund.objects.filter(pk=pk, state=RefundState.PROCESSING)
        if not open_refund.update(state=state, settled_at=now):
            return False
        refund_notices_create(refund=Refund.objects.select_related("trade").get(pk=pk), now=now)
        return True


def _check_room(trade: Trade) -> None:
    """Look at an order with the new refund among its refunds."""
    if not trade.is_paid:
        raise Refused(Reason.NOT_PAID)
    asked = trade.refunds.aggregate(fen=Sum("refund_fee"), number=Count("pk"))
    if asked["fen"] > trade.total_fee:
        raise Refused(Reason.REFUND_TOO_MUCH)
    if asked["number"] > MAX_REFUNDS:
        raise Refused(Reason.REFUNDS_TOO_MANY)
