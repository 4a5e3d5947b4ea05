"""What staff write about an order for each other: remarks, the flag 需关注 with its reason, the number of the invoice.

Buyers see none of it.

All services raise ``RecordUnknown`` if there is no such order.
"""

from datetime import datetime

from django.db import transaction

from shop.errors import OrderRefused
from shop.models import Order
from shop.models.order import REASON_LENGTH
from shop.order_states import Note, PayStatus
from shop.services.order_move import order_lock, order_note


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
def order_set_invoice(*, order_id: str, number: str, actor: str, now: datetime) -> None:
    """Write down the number of the invoice (发票) that the buyer got; "" takes the mark away.

    :raises OrderRefused: the order was never paid.
    """
    order = order_lock(order_id=order_id)
    if order.pay_status != PayStatus.PAID:
        raise OrderRefused("订单没有付款，不能开发票")
    detail = f"{order.invoice_no or '没有'} → {number or '没有'}"
    order.invoice_no = number
    order.save(update_fields=["invoice_no"])
    order_note(order=order, event=Note.INVOICE, actor=actor, now=now, detail=detail)


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
    flag_locked(order=order, reason=reason, actor=actor, now=now)


def flag_locked(*, order: Order, reason: str, actor: str, now: datetime) -> None:
    """Flag an order whose row is locked; one that is flagged already keeps its reason."""
    if order.flagged_at:
        return
    order.flagged_at, order.flagged_by, order.flag_reason = now, actor[:64], reason[:REASON_LENGTH]
    order.save(update_fields=["flagged_at", "flagged_by", "flag_reason"])
    order_note(order=order, event=Note.FLAG, actor=actor, now=now, detail=reason)


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
    order.flagged_at, order.flagged_by, order.flag_reason = None, "", ""
    order.save(update_fields=["flagged_at", "flagged_by", "flag_reason"])
    order_note(order=order, event=Note.UNFLAG, actor=actor, now=now, detail=detail)


def flag_mark(order: Order) -> str:
    """Return what tells one flag of an order from the next one; "" without a flag."""
    return order.flagged_at.isoformat() if order.flagged_at else ""
