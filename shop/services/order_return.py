"""Returns and refunds of paid orders."""

from datetime import datetime

from django.db import transaction

from payments.models import Refund
from payments.selectors import refunds_of_order
from payments.services import refund_again, refunds_require
from shop.models import Order
from shop.services.order_move import order_lock, order_move, require
from shop.states import Event, State


@transaction.atomic
def order_return(*, order_id: str, buyer_pk: int, actor: str, reason: str = "", now: datetime) -> Order:
    """Ask for a return as the buyer: refund at once while nothing was shipped, else let the back office decide.

    :raises RecordUnknown: the buyer has no such order.
    :raises OrderRefused: its state does not allow it.
    :raises RefundNotPossible: the merchant cannot refund; otherwise the order would stay 退款中 for ever.
    """
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    require(State(order.state), Event.ASK_RETURN)
    refunds_require(out_trade_no=order_id)
    order_move(order=order, event=Event.ASK_RETURN, actor=actor, now=now, detail=reason, note=reason[:200])
    return order


@transaction.atomic
def order_return_decide(*, order_id: str, approve: bool, actor: str, reason: str = "", now: datetime) -> Order:
    """Decide on a return of shipped goods: refund the money, or put the order back into its earlier state.

    :param reason: goes into the log; the buyer reads why a return was refused.
    :raises RecordUnknown, OrderRefused, RefundNotPossible: as named.
    """
    order = order_lock(order_id=order_id)
    event = Event.APPROVE_RETURN if approve else Event.REJECT_RETURN
    # On the wire, where marks are half-width.
    note = "退货申请已同意" if approve else ": ".join(filter(None, ["退货申请未通过", reason]))
    order_move(order=order, event=event, actor=actor, now=now, detail=reason, note=note[:200])
    return order


def order_refund(*, order_id: str, actor: str, reason: str = "", now: datetime) -> Order:
    """Refund all that is left of a paid order for the back office, or take the next step of a refund that failed.

    Not in a transaction: before a refund gets a new number, the provider is asked about the old one.

    :raises RecordUnknown, OrderRefused, RefundNotPossible: as named.
    """
    if failed := _failed_refund(order_id):
        refund_again(refund_id=failed.pk, actor=actor, now=now)
        return Order.objects.get(order_id=order_id)
    with transaction.atomic():
        order = order_lock(order_id=order_id)
        require(State(order.state), Event.REFUND)
        order_move(order=order, event=Event.REFUND, actor=actor, now=now, detail=reason, note=reason or "商家退款")
        return order


def _failed_refund(order_id: str) -> Refund | None:
    if not Order.objects.filter(order_id=order_id, state=State.REFUND_FAILED).exists():
        return None
    refunds = refunds_of_order(out_trade_no=order_id)
    return refunds.to_tend or (refunds.refunds[-1] if refunds.refunds else None)
