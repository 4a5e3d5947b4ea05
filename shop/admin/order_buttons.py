"""The buttons of an order, the usual ones first: what each asks, the right it needs, and the service it calls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.admin.buttons import Button, Look, Press
from shop.admin.attention import RemarkForm, UnflagForm
from shop.admin.packing import MAX_PRINTED
from shop.admin.refunding import PartForm
from shop.admin.shipping import ParcelForm, ReceiverForm, ShipForm
from shop.models import Order
from shop.services.order_attention import order_flag, order_remark, order_unflag
from shop.services.order_close import order_close
from shop.services.order_move import order_set_parcel, order_set_receiver, order_ship
from shop.services.order_receive import RECEIPT_UNDO, order_unreceive
from shop.services.order_refund_part import order_refund_part
from shop.services.order_return import order_refund, order_return_decide
from shop.states import TABLE, Event, ShippingStatus, State


@dataclass(frozen=True, kw_only=True)
class OrderButton(Button):
    """Offered where ``TABLE`` has its event, or in its ``states`` where it changes no state."""

    event: Event | None = None
    states: tuple[State, ...] = ()

    def is_for(self, state: State) -> bool:
        return (state, self.event) in TABLE if self.event else state in self.states


def _call(service: Callable[..., Order], outcome: str = "", **fixed: Any) -> Callable[[Press], str]:
    def run(press: Press) -> str:
        service(order_id=press.row.order_id, actor=press.actor, now=press.now, **fixed, **press.values)
        return outcome

    return run


_LOG = "写入订单日志"
_BUYER = "写入订单日志，买家也会看到"
_REFUNDING = "款项将原路退回，进度见“退款处理”"
_PAYS: dict[str, Any] = {"password": True, "is_request": True}  # requests a refund; the money moves later

BUTTONS = (
    OrderButton(
        name="ship",
        text="发货",
        event=Event.SHIP,
        right="ship",
        run=_call(order_ship, action=ShippingStatus.SHIPPED),
        question="发货后不能改回未发货。快递单号可以留空，以后在订单页用“修改快递”补上。",
        form=ShipForm,
        max_rows=MAX_PRINTED,
    ),
    OrderButton(
        name="prepare",
        text="备货",
        event=Event.PREPARE,
        right="ship",
        run=_call(order_ship, action=ShippingStatus.PREPARING),
    ),
    OrderButton(
        name="unprepare",
        text="改为未发货",
        event=Event.UNPREPARE,
        right="ship",
        run=_call(order_ship, action=ShippingStatus.NOT_SHIPPED),
    ),
    OrderButton(
        name="receive",
        text="确认收货",
        event=Event.RECEIVE,
        right="ship",
        run=_call(order_ship, action=ShippingStatus.RECEIVED),
        question="替买家确认已经收到包裹。"
        f"{RECEIPT_UNDO.seconds // 60} 分钟内，订单上没有别的事发生时，可以用“撤销收货”改回已发货。",
        look=Look.QUIET,
    ),
    OrderButton(
        name="unreceive",
        text="撤销收货",
        event=Event.UNRECEIVE,
        right="ship",
        run=_call(order_unreceive),
        max_rows=1,
    ),
    OrderButton(
        name="approve",
        text="同意退货并退款",
        event=Event.APPROVE_RETURN,
        right="decide",
        right_too="refund",  # the money goes back at once
        run=_call(order_return_decide, _REFUNDING, approve=True),
        question="同意退货，款项全额原路退回买家，不能撤回。",
        reason=_LOG,
        **_PAYS,
    ),
    OrderButton(
        name="reject",
        text="拒绝退货",
        event=Event.REJECT_RETURN,
        right="decide",
        run=_call(order_return_decide, approve=False),
        question="拒绝买家的退货申请，订单回到原来的状态。",
        reason=_BUYER,
        look=Look.GRAVE,
    ),
    OrderButton(
        name="close",
        text="关闭订单",
        event=Event.CLOSE,
        run=_call(order_close, event=Event.CLOSE),
        question="订单没有付款，关闭后商品回到库存。",
        reason=_LOG,
        look=Look.GRAVE,
    ),
    OrderButton(
        name="invalidate",
        text="作废订单",
        event=Event.INVALIDATE,
        run=_call(order_close, event=Event.INVALIDATE),
        question="订单没有付款，作废后商品回到库存。",
        reason=_LOG,
        look=Look.GRAVE,
    ),
    OrderButton(
        name="refund",
        text="全额退款",
        event=Event.REFUND,
        right="refund",
        run=_call(order_refund, _REFUNDING),
        question="款项全额原路退回买家，不能撤回。还没有发货的商品回到库存，已经发出的不会。",
        reason=_LOG,
        look=Look.GRAVE,
        **_PAYS,
    ),
    OrderButton(
        name="refund_part",
        text="部分退款",
        event=Event.REFUND_PART,
        right="refund",
        run=_call(order_refund_part, _REFUNDING),
        question="选商品或只填金额，款项原路退回买家，不能撤回。退了的商品不再发货；退完余款的，订单变为退款中。",
        reason=_BUYER,
        form=PartForm,
        max_rows=1,
        look=Look.GRAVE,
        **_PAYS,
    ),
    OrderButton(
        name="refund_again",
        text="重新退款",
        event=Event.REFUND_AGAIN,
        right="refund",
        run=_call(order_refund, _REFUNDING),
        question="被拒绝的退款用原单号再提交一次；已关闭的先向微信确认，再换新单号。钱只会退一次。",
        reason=_LOG,
        **_PAYS,
    ),
    OrderButton(
        name="receiver",
        text="修改收货信息",
        states=(State.PAID, State.PREPARING, State.OPEN),
        run=_call(order_set_receiver),
        question="改的是还没有发出的包裹；原来的收货信息留在订单日志里。",
        form=ReceiverForm,
        max_rows=1,
        look=Look.QUIET,
    ),
    OrderButton(
        name="parcel",
        text="修改快递",
        states=(State.SHIPPED, State.RECEIVED, State.RETURN_ASKED, State.RETURN_ASKED_LATER),
        right="ship",
        run=_call(order_set_parcel),
        question="买家会在订单里看到新的快递单号；原来的留在订单日志里。",
        form=ParcelForm,
        max_rows=1,
        look=Look.QUIET,
    ),
    OrderButton(
        name="remark",
        text="添加备注",
        states=tuple(State),
        run=_call(order_remark),
        question="备注只有员工看得到，保存以后不能修改或删除。",
        form=RemarkForm,
        max_rows=1,
        look=Look.ABSENT,
    ),
    OrderButton(
        name="flag",
        text="标记需关注",
        states=tuple(State),
        run=_call(order_flag),
        question="订单会列在“异常”里，直到有人取消关注。买家看不到。",
        reason="为什么要关注，必填；写入订单日志",
        needs_reason=True,
        look=Look.QUIET,
    ),
    OrderButton(
        name="unflag",
        text="取消关注",
        states=tuple(State),
        run=_call(order_unflag),
        question="原因和取消的说明都留在订单日志里。",
        reason="为什么不用再关注，必填；写入订单日志",
        needs_reason=True,
        form=UnflagForm,
        max_rows=1,
    ),
)
