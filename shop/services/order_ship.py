"""Parcels of a paid order: sent, received, and taken back while nothing has followed; and what stands on them.

All services raise ``RecordUnknown`` if there is no such order.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from shop.errors import OrderRefused
from shop.models import Order, OrderLog
from shop.models.order import logged
from shop.order_states import ASIDE, Event, Note, ShippingStatus, State
from shop.services.order_move import order_lock, order_move, order_note

EVENT_OF_ACTION = {
    ShippingStatus.NOT_SHIPPED: Event.UNPREPARE,
    ShippingStatus.SHIPPED: Event.SHIP,
    ShippingStatus.RECEIVED: Event.RECEIVE,
    ShippingStatus.PREPARING: Event.PREPARE,
}
UNDO = timedelta(minutes=10)
UNDOES = {Event.UNSHIP: Event.SHIP, Event.UNRECEIVE: Event.RECEIVE}


@transaction.atomic
def order_ship(
    *,
    order_id: str,
    action: int,
    actor: str,
    now: datetime,
    buyer_pk: int | None = None,
    express_company: str = "",
    express_no: str = "",
    without: str = "",
) -> None:
    """Set a paid order's shipping status to ``action``, a number of the API document.

    :param express_company: the courier who takes the parcel, and below it the parcel's number; only for SHIPPED.
    :param without: why it has none, for the log.
    :param buyer_pk: the buyer who asks: the order must be that buyer's; None for the back office.
    :raises OrderRefused: its state does not allow it, or ``action`` is no shipping status.
    """
    event = EVENT_OF_ACTION.get(action)  # type: ignore[call-overload]
    if event is None:
        raise OrderRefused("action: 必须是0、1、2、3之一")
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    parcel: dict[str, Any] = {}
    if event is Event.SHIP:
        parcel = {"express_company": express_company, "express_no": express_no}
    detail = f"{express_company} {express_no}".strip() or without
    order_move(order=order, event=event, actor=actor, now=now, detail=detail, **parcel)


@transaction.atomic
def order_set_parcel(
    *, order_id: str, express_company: str, express_no: str, actor: str, now: datetime, without: str = ""
) -> None:
    """Correct the courier and the parcel's number of an order that was shipped.

    :param without: why it has none, for the log.
    :raises OrderRefused: it was not shipped.
    """
    order = order_lock(order_id=order_id)
    if order.shiping_status not in (ShippingStatus.SHIPPED, ShippingStatus.RECEIVED):
        raise OrderRefused("订单还没有发货，请在发货时填写快递单号")
    before = f"{order.express_company} {order.express_no}".strip()
    order.express_company, order.express_no = express_company, express_no
    order.save(update_fields=["express_company", "express_no"])
    detail = f"{before or '没有'} → {express_company} {express_no}{without}".strip()
    order_note(order=order, event=Note.PARCEL, actor=actor, now=now, detail=detail)


@transaction.atomic
def order_set_receiver(*, order_id: str, recipient: str, phone: str, address: str, actor: str, now: datetime) -> None:
    """Correct who gets the parcel of an order that was not shipped yet. The log keeps what it was before.

    :raises OrderRefused: it was shipped, or is closed.
    """
    order = order_lock(order_id=order_id)
    if order.state not in (State.OPEN, State.PAID, State.PREPARING):
        raise OrderRefused(f"订单“{State(order.state).label}”，不能再修改收货信息")
    before = " ".join(filter(None, [order.recipient, order.phone, order.address]))
    order.recipient, order.phone, order.address = recipient, phone, address
    order.save(update_fields=["recipient", "phone", "address"])
    order_note(order=order, event=Note.RECEIVER, actor=actor, now=now, detail=f"原为 {before or '空'}")


def can_be_undone(order: Order, event: Event, now: datetime) -> bool:
    """Tell whether what ``event`` takes back is less than 10 minutes old and only notes followed."""
    later_steps = OrderLog.objects.filter(order=order).exclude(logged(*ASIDE)).order_by("-pk")
    last = later_steps.first()
    return last is not None and last.tells_of(UNDOES[event]) and now - last.at < UNDO


@transaction.atomic
def order_undo(*, order_id: str, event: Event, actor: str, now: datetime) -> None:
    """Set an order back from shipped to paid, or from received to shipped.

    :param event: UNSHIP or UNRECEIVE.
    :raises OrderRefused: its state does not allow it, 10 minutes are over, or something followed.
    """
    order = order_lock(order_id=order_id)
    if not can_be_undone(order, event, now):
        raise OrderRefused(f"{UNDOES[event].label}已超过 10 分钟，或之后订单上又有了变化，不能撤销")
    parcel = {"express_company": "", "express_no": ""} if event is Event.UNSHIP else {}
    order_move(order=order, event=event, actor=actor, now=now, **parcel)
