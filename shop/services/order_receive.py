"""Taking back that an order was received, while nothing has followed from it."""

from datetime import datetime, timedelta

from django.db import transaction

from shop.errors import OrderRefused
from shop.models import Order, OrderLog
from shop.services.order_attention import FLAG, REMARK, UNFLAG
from shop.services.order_move import order_lock, order_move
from shop.states import Event, State

RECEIPT_UNDO = timedelta(minutes=10)


def receipt_can_be_undone(order: Order, now: datetime) -> bool:
    """Tell whether the order was received less than 10 minutes ago and nothing but remarks and flags followed."""
    if order.state != State.RECEIVED:
        return False
    followed = OrderLog.objects.filter(order=order).exclude(event__in=(REMARK, FLAG, UNFLAG)).order_by("-pk")
    last = followed.first()
    return last is not None and last.event == Event.RECEIVE.label and now - last.at < RECEIPT_UNDO


@transaction.atomic
def order_unreceive(*, order_id: str, actor: str, now: datetime) -> Order:
    """Set an order back from received to shipped.

    :raises RecordUnknown: there is no such order.
    :raises OrderRefused: it is not received, 10 minutes are over, or something followed.
    """
    order = order_lock(order_id=order_id)
    if not receipt_can_be_undone(order, now):
        raise OrderRefused("收货已超过 10 分钟，或之后订单上又有了变化，不能撤销")
    order_move(order=order, event=Event.UNRECEIVE, actor=actor, now=now)
    return order
