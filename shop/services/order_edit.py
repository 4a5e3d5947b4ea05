"""What staff correct on an order or write about it; its state stays.

All services raise ``RecordUnknown`` if there is no such order. Buyers see no remark, flag or invoice.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from shop.errors import CorrectedMeanwhile, OrderRefused
from shop.models import Order
from shop.models.order import REASON_LENGTH
from shop.order_states import ASKED, Note, PayStatus, ReturnStep, State
from shop.services.order_move import field_words, in_words, order_lock, order_note, order_write


@transaction.atomic
def order_correct(
    *, order_id: str, note: Note, actor: str, now: datetime, seen: dict[str, str] | None = None, **fields: Any
) -> bool:
    """Correct fields of an order, and tell whether there was anything to correct. The log keeps what they were.

    :param note: what they are: RECEIVER, PARCEL, RETURN_PARCEL (goods that come back) or INVOICE (发票).
    :param seen: ``field_words`` of what the person's page showed. Fields that the person left as they were are not
        written, so a colleague's correction in between stays.
    :raises OrderRefused: the order's state does not allow it.
    :raises CorrectedMeanwhile: the person and a colleague changed them.
    """
    return correction_write(order=order_lock(order_id=order_id), note=note, actor=actor, now=now, seen=seen, **fields)


def correction_write(
    *, order: Order, note: Note, actor: str, now: datetime, seen: dict[str, str] | None = None, **fields: Any
) -> bool:
    """Correct fields of an order whose row is locked, as :func:`order_correct` does."""
    if field_words(fields) == seen:  # left as they were, also on orders that take no correction
        return False
    if refusal := _refusal(order, note):
        raise OrderRefused(refusal)
    before = {name: getattr(order, name) for name in fields}
    if fields == before:
        return False
    old, new = (in_words(values) or "没有" for values in (before, fields))
    if seen not in (None, field_words(before)):
        raise CorrectedMeanwhile(f"你打开此页之后，这里改成了“{old}”，你填的“{new}”没有保存，请核对", note)
    order_write(order=order, note=note, actor=actor, now=now, detail=f"{old} → {new}", **fields)
    return True


def _refusal(order: Order, note: Note) -> str:
    match note:
        case Note.RECEIVER if order.state not in (State.OPEN, State.PAID, State.PREPARING):
            return f"订单“{State(order.state).label}”，不能再修改收货信息"
        case Note.PARCEL if not order.has_left:
            return "订单还没有发货，请在发货时填写快递单号"
        case Note.RETURN_PARCEL if order.state not in ASKED:
            return "订单没有进行中的退货"
        case Note.RETURN_PARCEL if order.return_step == ReturnStep.RECEIVED:
            return "退回的商品已经收到"
        case Note.INVOICE if order.pay_status != PayStatus.PAID:
            return "订单没有付款，不能开发票"
    return ""


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
def order_unflag(*, order_id: str, reason: str, seen: dict[str, str], actor: str, now: datetime) -> None:
    """Take the flag away.

    :param seen: the ``flag_reason`` that the person has read: a colleague may have set another flag since.
    :raises OrderRefused: the order is not flagged, or its flag is another one; or no reason was given.
    """
    order = order_lock(order_id=order_id)
    if order.flagged_at is None:
        raise OrderRefused("订单没有标记需关注，或已经取消")
    if seen != {"flag_reason": order.flag_reason}:
        raise OrderRefused(f"关注的原因已经变了：{order.flag_reason}。请核对后再取消")
    if not reason:
        raise OrderRefused("请写明为什么不用再关注")
    detail = f"{reason}（原因是：{order.flag_reason}）"
    fields = {"flagged_at": None, "flagged_by": "", "flag_reason": ""}
    order_write(order=order, note=Note.UNFLAG, actor=actor, now=now, detail=detail, **fields)
