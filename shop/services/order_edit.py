"""What staff correct on an order or write about it; its state stays.

All services raise ``RecordUnknown`` if there is no such order. Buyers see no remark, flag or invoice.
"""

from datetime import datetime

from django.db import transaction

from shop.errors import OrderRefused
from shop.models import Order
from shop.models.order import REASON_LENGTH
from shop.order_states import ASKED, Note, PayStatus, ReturnStep, ShippingStatus, State
from shop.services.order_move import order_lock, order_note, order_write
from shop.services.order_step import parcel_fields, parcel_text


@transaction.atomic
def order_set_parcel(
    *, order_id: str, actor: str, now: datetime, express_company: str, express_no: str, no_parcel: str = ""
) -> None:
    """Correct the parcel of an order that was shipped.

    :raises OrderRefused: it was not shipped.
    """
    order = order_lock(order_id=order_id)
    if order.shiping_status not in (ShippingStatus.SHIPPED, ShippingStatus.RECEIVED):
        raise OrderRefused("订单还没有发货，请在发货时填写快递单号")
    fields = parcel_fields(express_company, express_no, no_parcel)
    detail = _change(parcel_text(order.express_company, order.express_no, ""), parcel_text(**fields))
    order_write(order=order, note=Note.PARCEL, actor=actor, now=now, detail=detail, **fields)


@transaction.atomic
def order_set_receiver(*, order_id: str, recipient: str, phone: str, address: str, actor: str, now: datetime) -> None:
    """Correct who gets the parcel of an order that was not shipped yet. The log keeps what it was before.

    :raises OrderRefused: it was shipped, or is closed.
    """
    order = order_lock(order_id=order_id)
    if order.state not in (State.OPEN, State.PAID, State.PREPARING):
        raise OrderRefused(f"订单“{State(order.state).label}”，不能再修改收货信息")
    detail = f"原为 {' '.join(filter(None, [order.recipient, order.phone, order.address])) or '空'}"
    fields = {"recipient": recipient, "phone": phone, "address": address}
    order_write(order=order, note=Note.RECEIVER, actor=actor, now=now, detail=detail, **fields)


@transaction.atomic
def order_set_return_number(*, order_id: str, number: str, actor: str, now: datetime) -> None:
    """Write down the number of the parcel in which goods come back.

    :raises OrderRefused: no return is under way, or its goods are here.
    """
    return_number_write(order=order_lock(order_id=order_id), number=number, actor=actor, now=now)


def return_number_write(*, order: Order, number: str, actor: str, now: datetime) -> None:
    """Do the same to an order whose row is locked."""
    if order.state not in ASKED:
        raise OrderRefused("订单没有进行中的退货")
    if order.return_step == ReturnStep.RECEIVED:
        raise OrderRefused("退回的商品已经收到")
    if number != order.return_no:
        detail = _change(order.return_no, number)
        order_write(order=order, note=Note.RETURN_PARCEL, actor=actor, now=now, detail=detail, return_no=number)


@transaction.atomic
def order_set_invoice(*, order_id: str, number: str, actor: str, now: datetime) -> None:
    """Write down the number of the invoice (发票) that the buyer got; "" takes the mark away.

    :raises OrderRefused: the order was never paid.
    """
    order = order_lock(order_id=order_id)
    if order.pay_status != PayStatus.PAID:
        raise OrderRefused("订单没有付款，不能开发票")
    detail = _change(order.invoice_no, number)
    order_write(order=order, note=Note.INVOICE, actor=actor, now=now, detail=detail, invoice_no=number)


def _change(before: str, after: str) -> str:
    return f"{before or '没有'} → {after or '没有'}"


@transaction.atomic
def order_remark(*, order_id: str, text: str, actor: str, now: datetime) -> None:
    """Add a remark to the order's log, which cannot be changed.

    :raises OrderRefused: the remark is empty.
    """
    order = order_lock(order_id=order_id)
    if not text.strip():
        raise OrderRefused("备注是空的")
    order_note(order=order, event=Note.REMARK, actor=actor, now=now, detail=text.strip())


@transaction.atomic
def order_flag(*, order_id: str, reason: str, actor: str, now: datetime) -> None:
    """Flag the order, with a reason, for staff to watch (需关注).

    :raises OrderRefused: it has no reason, or the order is flagged already.
    """
    order = order_lock(order_id=order_id)
    if order.flagged_at:
        raise OrderRefused(f"订单已经标记需关注：{order.flag_reason}")
    if not reason:
        raise OrderRefused("请写明为什么要关注")
    flag_write(order=order, reason=reason, actor=actor, now=now)


def flag_write(*, order: Order, reason: str, actor: str, now: datetime) -> None:
    """Flag an order whose row is locked; one that is flagged already keeps its reason."""
    if order.flagged_at is None:
        fields = {"flagged_at": now, "flagged_by": actor[:64], "flag_reason": reason[:REASON_LENGTH]}
        order_write(order=order, note=Note.FLAG, actor=actor, now=now, detail=reason, **fields)


@transaction.atomic
def order_unflag(*, order_id: str, reason: str, seen: str, actor: str, now: datetime) -> None:
    """Take the flag away.

    :param seen: ``flag_mark`` of the flag that the person has read: a colleague may have set another one since.
    :raises OrderRefused: the order is not flagged, or its flag is another one; or no reason was given.
    """
    order = order_lock(order_id=order_id)
    if order.flagged_at is None:
        raise OrderRefused("订单没有标记需关注，或已经取消")
    if flag_mark(order) != seen:
        raise OrderRefused(f"关注的原因已经变了：{order.flag_reason}。请核对后再取消")
    if not reason:
        raise OrderRefused("请写明为什么不用再关注")
    detail = f"{reason}（原因是：{order.flag_reason}）"
    fields = {"flagged_at": None, "flagged_by": "", "flag_reason": ""}
    order_write(order=order, note=Note.UNFLAG, actor=actor, now=now, detail=detail, **fields)


def flag_mark(order: Order) -> str:
    """Return what tells one flag of an order from the next one; "" without a flag."""
    return order.flagged_at.isoformat() if order.flagged_at else ""
