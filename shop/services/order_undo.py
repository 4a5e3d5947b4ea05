"""Taking back that an order was shipped or received, while nothing has followed from it."""

from datetime import datetime, timedelta

from django.db import transaction

from shop.errors import OrderRefused
from shop.models import Order, OrderLog
from shop.services.order_attention import FLAG, REMARK, UNFLAG
from shop.services.order_move import order_lock, order_move
from shop.states import Event

UNDO = timedelta(minutes=10)
UNDOES = {Event.UNSHIP: Event.SHIP, Event.UNRECEIVE: Event.RECEIVE}


def can_be_undone(order: Order, event: Event, now: datetime) -> bool:
    """Tell whether what ``event`` takes back is less than 10 minutes old and nothing but remarks and flags followed."""
    followed = OrderLog.objects.filter(order=order).exclude(event__in=(REMARK, FLAG, UNFLAG)).order_by("-pk")
    last = followed.first()
    return last is not None and last.event == UNDOES[event].label and now - last.at < UNDO


@transaction.atomic
def order_undo(*, order_id: str, event: Event, actor: str, now: datetime) -> Order:
    """Set an order back from shipped to paid, or from received to shipped.

    :param event: UNSHIP or UNRECEIVE.
    :raises RecordUnknown: there is no such order.
    :raises OrderRefused: its state does not allow it, 10 minutes are over, or something followed.
    """
    order = order_lock(order_id=order_id)
    if not can_be_undone(order, event, now):
        raise OrderRefused(f"{UNDOES[event].label}已超过 10 分钟，或之后订单上又有了变化，不能撤销")
    facts = {"express_company": "", "express_no": ""} if event is Event.UNSHIP else {}
    order_move(order=order, event=event, actor=actor, now=now, **facts)
    return order
