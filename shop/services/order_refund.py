"""Returns and refunds of paid orders: what the buyer asks for, goods that come back, all of the money or a part of it.

Whether a whole order gives its stock back is in ``TABLE`` of ``shop.order_states``.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from core.money import fen_text, yuan_to_fen
from payments.errors import RefundNotPossible
from payments.selectors import RefundsOfPayment, refunds_of_order
from payments.services.refund import MAX_REFUNDS, refund_request, refunds_require
from payments.services.refund_by_staff import refund_again
from shop.errors import OrderRefused, VipInUse
from shop.models import LineRefund, Order, OrderLine
from shop.models.order import logged
from shop.order_states import ASKED, Event, Note, ReturnStep, State
from shop.services.order_edit import correction_write, flag_write
from shop.services.order_move import order_lock, order_move, order_refunds_sum, require
from shop.services.order_step import buyer_note, order_step
from shop.services.stock import stock_give_back
from shop.services.vip_purchase import vip_has_begun, vip_revoke

MAX_RETURN_NUMBERS = 10  # a buyer may mistype the number of the parcel; each change is a row of the log
Pieces = list[tuple[OrderLine, int]]


def order_return(
    *, order_id: str, buyer_pk: int, actor: str, reason: str = "", tracking_no: str = "", now: datetime
) -> Order:
    """Ask for a return as the buyer: refund at once while nothing was shipped, else let the back office decide.

    :param tracking_no: of the parcel in which the goods come back. The buyer may send it later, by asking again.
    :raises RecordUnknown: the buyer has no such order.
    :raises OrderRefused: its state does not allow it.
    :raises VipInUse: nothing was shipped, but its VIP time runs. The order is flagged: staff refund the goods.
    :raises RefundNotPossible: the merchant cannot refund; otherwise the order would stay 退款中 for ever.
    """
    with transaction.atomic():
        order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
        if tracking_no and order.state in ASKED:
            if order.logs.filter(logged(Note.RETURN_PARCEL)).count() >= MAX_RETURN_NUMBERS:
                raise OrderRefused("寄回单号已经修改多次,请联系商家")
            correction_write(order=order, note=Note.RETURN_PARCEL, actor=actor, now=now, return_no=tracking_no)
            return order
        transition = require(State(order.state), Event.ASK_RETURN)
        refunds_require(out_trade_no=order_id)
        if not (transition.refund and vip_has_begun(order=order, now=now)):
            fields = {"note": reason[:200], "return_no": "" if transition.refund else tracking_no}
            order_move(order=order, event=Event.ASK_RETURN, actor=actor, now=now, detail=reason, **fields)
            return order
        flag_write(order=order, reason=f"买家申请退货，VIP 时长已经开始使用：{reason}", actor=actor, now=now)
    raise VipInUse


@transaction.atomic
def order_return_receive(
    *, order_id: str, quantities: Mapping[int, int], is_restocked: bool, actor: str, reason: str = "", now: datetime
) -> Order:
    """Write down which goods of a return have come. Their money goes back with APPROVE_RETURN or in parts.

    :param quantities: pieces by the key of their line.
    :param is_restocked: they go back on the shelf now, once: a later refund of the same pieces does not move stock.
    :raises RecordUnknown, OrderRefused: as named. Nothing was changed.
    """
    order = order_lock(order_id=order_id)
    items = _lines_chosen(order, quantities)
    if not items:
        raise OrderRefused("请填写收到几件")
    detail = " ".join(filter(None, [_goods_text(items, is_restocked), reason]))
    order_move(order=order, event=Event.RECEIVE_RETURN, actor=actor, now=now, detail=detail)
    for line, pieces in items:
        if line.vip_level or not 0 < pieces <= line.outside:
            raise OrderRefused(f"{line.title}最多还能收到 {0 if line.vip_level else line.outside} 件")
    _count_back(items, "received_quantity", "shelved_quantity" if is_restocked else "")
    return order


def order_refund(*, order_id: str, actor: str, reason: str = "", now: datetime) -> None:
    """Refund all that is left of a paid order for the back office, or take the next step of a refund that failed.

    Not in a transaction: before a refund gets a new number, the provider is asked about the old one.

    :raises RecordUnknown, OrderRefused, RefundNotPossible: as named.
    """
    refunds = refunds_of_order(out_trade_no=order_id)
    if refunds.refunds and Order.objects.filter(order_id=order_id, state=State.REFUND_FAILED).exists():
        refund_again(refund_id=(refunds.to_tend or refunds.refunds[-1]).pk, actor=actor, now=now)
    else:
        order_step(order_id=order_id, event=Event.REFUND, actor=actor, now=now, reason=reason)


@transaction.atomic
def order_refund_part(
    *,
    order_id: str,
    amount: Decimal,
    quantities: Mapping[int, int],
    is_restocked: bool,
    refunds_seen: int,
    actor: str,
    reason: str = "",
    now: datetime,
) -> Order:
    """Give a part of an order's money back; the order goes on. The last part is the refund of all, which ends it.

    :param amount: yuan.
    :param quantities: pieces that it is for, by the key of their line. They are not shipped any more.
    :param is_restocked: these pieces go back on the shelf.
    :param refunds_seen: how many refunds the order had when staff decided: a second click, or a colleague's refund
        in between, must not pay twice.
    :raises RecordUnknown, OrderRefused, RefundNotPossible: as named; ``msg`` says why. Nothing was changed.
    """
    order, fen = order_lock(order_id=order_id), yuan_to_fen(amount)
    require(State(order.state), Event.REFUND_PART)
    refunds = order_refunds_sum(order=order)
    _require_possible(refunds, fen, refunds_seen)
    items = _lines_chosen(order, quantities)
    _require_left(items, is_restocked)
    _count_back(items, "refunded_quantity", "restocked_quantity" if is_restocked else "")
    vip_revoke(order=order, now=now, lines=[line.pk for line, _ in items])
    detail = " ".join(filter(None, [fen_text(fen), _part_text(order, items, is_restocked), reason]))
    # Read on the wire, where amounts have no separators.
    texts = {"detail": detail, "note": buyer_note(f"商家已退款 {amount:.2f}元", reason)}
    if fen == refunds.rest_fen:
        reason = reason or Event.REFUND.label
        refund = order_move(order=order, event=Event.REFUND, actor=actor, now=now, refund_reason=reason, **texts)
    else:
        if order.state in (State.PAID, State.PREPARING) and not any(line.left for line in order.lines.all()):
            raise OrderRefused("没有发货的商品都退了，请退完全部余款")
        order_move(order=order, event=Event.REFUND_PART, actor=actor, now=now, **texts)
        reason = reason or Event.REFUND_PART.label
        refund = refund_request(out_trade_no=order_id, amount_fen=fen, reason=reason, requested_by=actor, now=now)
        order_refunds_sum(order=order)
    facts = {"out_refund_no": str(refund), "is_restocked": is_restocked}
    LineRefund.objects.bulk_create(LineRefund(line=line, quantity=pieces, **facts) for line, pieces in items)
    return order


def _require_possible(refunds: RefundsOfPayment, fen: int, refunds_seen: int) -> None:
    if refunds.number != refunds_seen:
        raise OrderRefused("这个订单刚刚有过别的退款，请核对下面的数字再办")
    if refund := refunds.to_tend:
        raise RefundNotPossible(f"退款单 {refund} 还没有退成，请先处理它")
    if not 0 < fen <= refunds.rest_fen:
        raise RefundNotPossible(f"最多还能退 {fen_text(refunds.rest_fen)}")
    if fen < refunds.rest_fen and refunds.number >= MAX_REFUNDS - 1:
        raise RefundNotPossible(
            f"微信一笔支付最多退 {MAX_REFUNDS} 次，只剩最后一次：请退完余款 {fen_text(refunds.rest_fen)}"
        )


def _lines_chosen(order: Order, quantities: Mapping[int, int]) -> Pieces:
    """Return the lines for which pieces are named, in the order in which stock is locked.

    :raises OrderRefused: the order has no such line.
    """
    lines = {line.pk: line for line in order.lines.order_by("product_id")}
    if not {pk for pk, pieces in quantities.items() if pieces} <= lines.keys():
        raise OrderRefused("订单里没有这种商品")
    return [(line, quantities[pk]) for pk, line in lines.items() if quantities.get(pk)]


def _require_left(items: Pieces, is_restocked: bool) -> None:
    for line, pieces in items:
        if not 0 < pieces <= line.left:
            raise OrderRefused(f"{line.title}最多还能退 {line.left} 件")
        if line.vip_level and pieces != line.quantity:
            raise OrderRefused(f"{line.title}是 VIP 时长，只能整行退，或只退金额")
        if is_restocked and pieces > line.outside:
            raise OrderRefused(f"{line.title}已经收到退货，最多还有 {line.outside} 件可以放回货架")


def _count_back(items: Pieces, column: str, shelf_column: str) -> None:
    """Count pieces in a column of their lines; with ``shelf_column`` there too, and put them back on the shelf."""
    for line, pieces in items:
        OrderLine.objects.filter(pk=line.pk).update(
            **{name: F(name) + pieces for name in (column, shelf_column) if name}
        )
    if shelf_column:
        stock_give_back({line.product_id: pieces for line, pieces in items})


def _part_text(order: Order, items: Pieces, is_restocked: bool) -> str:
    is_goods = items and all(not line.vip_level for line, _ in items)
    return _goods_text(items, is_restocked if is_goods and order.return_step != ReturnStep.RECEIVED else None)


def _goods_text(items: Pieces, is_restocked: bool | None) -> str:
    """Name the pieces, and what becomes of them; None: nothing does now."""
    goods = "、".join(f"{line.title}×{pieces}" for line, pieces in items)
    return goods if is_restocked is None else goods + ("（放回货架）" if is_restocked else "（不放回货架）")
