"""Goods and money on their way back."""

from datetime import datetime

from django.db import transaction

from payments.models import Refund, RefundStatus
from payments.services import refund_request, refund_retry
from shop.models import Order
from shop.services.order_move import order_lock, order_move, require
from shop.states import Event, State


@transaction.atomic
def order_return(*, order_id: str, buyer_pk: int, actor: str, reason: str = "", now: datetime) -> Order:
    """Ask for one's money back: refunded at once while nothing was shipped, else the back office decides.

    :raises RecordUnknown, OrderRefused, RefundNotPossible: as named.
    """
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    order_move(order=order, event=Event.ASK_RETURN, actor=actor, now=now, detail=reason, note=reason[:200])
    return order


@transaction.atomic
def order_return_decide(*, order_id: str, approve: bool, actor: str, reason: str = "", now: datetime) -> Order:
    """Decide on a return of shipped goods: the money goes back, or the order is as before.

    :param reason: goes into the log; the buyer reads why a return was refused.
    :raises RecordUnknown, OrderRefused, RefundNotPossible: as named.
    """
    order = order_lock(order_id=order_id)
    event = Event.APPROVE_RETURN if approve else Event.REJECT_RETURN
    note = "退货申请已同意" if approve else ": ".join(filter(None, ["退货申请未通过", reason]))
    order_move(order=order, event=event, actor=actor, now=now, detail=reason, note=note[:200])
    return order


def order_refund(*, order_id: str, actor: str, reason: str = "", now: datetime) -> Order:
    """Refund all of a paid order for the back office, or try a refund again that failed.

    :raises RecordUnknown, OrderRefused, RefundNotPossible: as named.
    """
    with transaction.atomic():
        order = order_lock(order_id=order_id)
        if order.state == State.REFUND_FAILED:
            _refund_again(order, actor, now)
        else:
            require(State(order.state), Event.REFUND)
            order_move(order=order, event=Event.REFUND, actor=actor, now=now, detail=reason, note=reason or "商家退款")
        return order


def _refund_again(order: Order, actor: str, now: datetime) -> None:
    """Try the old refund under its old number; one that the provider closed is dead, a new one takes its place."""
    mine = Refund.objects.filter(payment__out_trade_no=order.order_id)
    failed = mine.filter(state__in=[RefundStatus.FAILED, RefundStatus.ABNORMAL]).order_by("pk").last()
    detail = failed.out_refund_no if failed else "原退款单已关闭,重新申请"
    order_move(order=order, event=Event.REFUND_AGAIN, actor=actor, now=now, detail=detail)
    if failed:
        refund_retry(refund_id=failed.pk, actor=actor, now=now)
    else:
        refund_request(
            out_trade_no=order.order_id, amount_fen=order.total_fen, reason=detail, requested_by=actor, now=now
        )
