"""Preparing, shipping, receiving."""

from datetime import datetime

from django.db import transaction

from shop.errors import OrderRefused
from shop.models import Order
from shop.services.order_move import order_lock, order_move
from shop.states import Event, ShippingStatus

EVENT_OF_ACTION = {
    ShippingStatus.NOT_SHIPPED: Event.UNPREPARE,
    ShippingStatus.SHIPPED: Event.SHIP,
    ShippingStatus.RECEIVED: Event.RECEIVE,
    ShippingStatus.PREPARING: Event.PREPARE,
}


@transaction.atomic
def order_ship(*, order_id: str, action: int, actor: str, now: datetime, buyer_pk: int | None = None) -> Order:
    """Set a paid order's shipping status to ``action`` (the seed's number).

    :param buyer_pk: set when the buyer says so: the order must be the buyer's.
    :raises RecordUnknown, OrderRefused: as named.
    """
    event = EVENT_OF_ACTION.get(action)  # type: ignore[call-overload]
    if event is None:
        raise OrderRefused("action: 必须是0、1、2、3之一")
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    order_move(order=order, event=event, actor=actor, now=now)
    return order
