"""What staff do with orders: each button with its form, its right and its service; and the work lists with theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, OuterRef, Q, Subquery, When

from core.admin.buttons import Button, Look, Press
from shop.admin.order_display import OrderCells
from shop.admin.order_forms import (
    InvoiceForm,
    PartForm,
    ReceiverForm,
    RemarkForm,
    ReturnForm,
    ReturnNumberForm,
    SentForm,
    UnflagForm,
)
from shop.admin.packing import MAX_PRINTED
from shop.admin.parcels import ParcelForm
from shop.models import Order, OrderLog, PartRefund
from shop.models.order import logged
from shop.order_states import ASKED, EARNING, GOING_BACK, RETURN_REFUSALS, TABLE, Event, Note, ReturnStep, State
from shop.selectors import orders_in_trouble
from shop.services.order_close import order_close
from shop.services.order_edit import order_correct, order_flag, order_remark, order_unflag
from shop.services.order_refund import order_refund, order_refund_part, order_return_receive
from shop.services.order_step import UNDO, order_step


@dataclass(frozen=True)
class OrderButton(Button):
    """Offered where ``TABLE`` has its event, or in its ``states`` where it changes no state.

    :param steps: of orders with a return only at these steps of it.
    :param has_left: only where the parcel has left, whatever became of the money.
    """

    event: Event | None = None
    states: tuple[State, ...] = ()
    steps: tuple[ReturnStep, ...] = tuple(ReturnStep)
    has_left: bool = False

    def is_for(self, order: Order) -> bool:
        state = State(order.state)
        if state in ASKED and order.return_step not in self.steps:
            return False
        if self.event is None:
            return state in self.states and (order.has_left or not self.has_left)
        return (state, self.event) in TABLE and (order.return_step, self.event) not in RETURN_REFUSALS


def _call(service: Callable[..., object], outcome: str = "", **arguments: Any) -> Callable[[Press], str]:
    def run(press: Press) -> str:
        service(order_id=press.row.order_id, actor=press.actor, now=press.now, **arguments, **press.values)
        return outcome

    return run


def _correct(note: Note) -> Callable[[Press], str]:
    def run(press: Press) -> str:
        is_changed = order_correct(
            order_id=press.row.order_id, note=note, actor=press.actor, now=press.now, **press.values
        )
        return "" if is_changed else "没有改动"

    return run


def _step(
    name: str, text: str, event: Event, outcome: str = "", service: Any = order_step, **options: Any
) -> OrderButton:
    """Return the button of an event that one service takes."""
    return OrderButton(name, text, _call(service, outcome, event=event), event=event, **options)


_LOG = "写入订单日志"
_BUYER = "写入订单日志，买家也会看到"
_REFUNDING = "款项将原路退回，进度见“退款处理”"
_PAYS: dict[str, Any] = {"password": True, "is_request": True}  # requests a refund; the money moves later
_NOT_HERE = (ReturnStep.ASKED, ReturnStep.AGREED)
_UNDO = f"{UNDO.seconds // 60} 分钟内，订单上没有别的事发生时，可以用“撤销{{}}”改回。"

BUTTONS = (
    _step(
        "ship", "发货", Event.SHIP, right="ship",
        question=f"没有快递单号的，选“自取、面交”或“单号以后补”（在订单页用“修改快递”补上）。{_UNDO.format('发货')}",
        form=ParcelForm, max_rows=MAX_PRINTED, undo="unship",
    ),
    _step("prepare", "备货", Event.PREPARE, right="ship"),
    _step("unprepare", "改为未发货", Event.UNPREPARE, right="ship"),
    _step(
        "receive", "确认收货", Event.RECEIVE, right="ship", look=Look.QUIET, undo="unreceive",
        question=f"替买家确认已经收到包裹。{_UNDO.format('收货')}",
    ),
    _step("unreceive", "撤销收货", Event.UNRECEIVE, right="ship", look=Look.QUIET, max_rows=1),
    _step("unship", "撤销发货", Event.UNSHIP, right="ship", look=Look.QUIET),
    _step(
        "agree", "同意退货", Event.AGREE_RETURN, "等买家寄回，收到以后再退款", right="decide",
        question="买家把商品寄回来，收到以后再退款。现在不退钱，库存不变。",
        reason="写入订单日志，买家也会看到，例如寄到哪里",
    ),
    _step(
        "reject", "拒绝退货", Event.REJECT_RETURN, right="decide",
        question="拒绝买家的退货申请，订单回到原来的状态。", reason=_BUYER, look=Look.GRAVE,
    ),
    OrderButton(
        "arrived", "收到退货", _call(order_return_receive), event=Event.RECEIVE_RETURN, right="decide",
        question="清点寄回的商品。选“放回货架”的，库存马上增加；钱还没有退，下一步是“退货退款”或“部分退款”。",
        reason=_LOG, form=ReturnForm, max_rows=1,
    ),
    _step(
        "approve", "退货退款", Event.APPROVE_RETURN, _REFUNDING, right="decide", right_too="refund",
        question="退回的商品已经收到，库存不再变。款项全额原路退回买家，不能撤回；只收到一部分的，请用“部分退款”。",
        reason=_LOG, steps=(ReturnStep.RECEIVED,), **_PAYS,
    ),
    _step(
        "approve_now", "不等寄回，直接退款", Event.APPROVE_RETURN, _REFUNDING, right="decide", right_too="refund",
        question="商品没有收到，库存不变；买家不用寄回。款项全额原路退回买家，不能撤回。",
        reason=_LOG, look=Look.GRAVE, steps=_NOT_HERE, **_PAYS,
    ),
    _step(
        "close", "关闭订单", Event.CLOSE, service=order_close,
        question="订单没有付款，关闭后商品回到库存。", reason=_LOG, look=Look.GRAVE,
    ),
    _step(
        "invalidate", "作废订单", Event.INVALIDATE, service=order_close,
        question="订单没有付款，作废后商品回到库存。", reason=_LOG, look=Look.GRAVE,
    ),
    OrderButton(
        "receiver", "修改收货信息", _correct(Note.RECEIVER),
        states=(State.PAID, State.PREPARING, State.OPEN),
        question="改的是还没有发出的包裹；原来的收货信息留在订单日志里。",
        form=ReceiverForm, max_rows=1, look=Look.QUIET,
    ),
    OrderButton(
        "parcel", "修改快递", _correct(Note.PARCEL), states=tuple(State), has_left=True, right="ship",
        question="买家会在订单里看到新的快递单号；原来的留在订单日志里。全额退款以后只能改快递费。",
        form=SentForm, max_rows=MAX_PRINTED, look=Look.QUIET,
    ),
    OrderButton(
        "return_number", "寄回单号", _correct(Note.RETURN_PARCEL),
        states=ASKED, steps=_NOT_HERE, right="decide",
        question="买家寄回商品的快递单号；原来的留在订单日志里。", form=ReturnNumberForm, max_rows=1, look=Look.QUIET,
    ),
    OrderButton(
        "refund", "全额退款", _call(order_refund, _REFUNDING), event=Event.REFUND, right="refund", steps=(),
        question="款项全额原路退回买家，不能撤回。还没有发货的商品回到库存，已经发出的不会。",
        reason=_LOG, look=Look.GRAVE, **_PAYS,
    ),
    OrderButton(
        "refund_part", "部分退款", _call(order_refund_part, _REFUNDING), event=Event.REFUND_PART, right="refund",
        question="选商品或只填金额，款项原路退回买家，不能撤回。退了的商品不再发货；退完余款的，订单变为退款中。",
        reason=_BUYER, form=PartForm, max_rows=1, look=Look.GRAVE, **_PAYS,
    ),
    OrderButton(
        "refund_again", "重新退款", _call(order_refund, _REFUNDING), event=Event.REFUND_AGAIN, right="refund",
        question="被拒绝的退款用原单号再提交一次；已关闭的先向微信确认，再换新单号。钱只会退一次。",
        reason=_LOG, **_PAYS,
    ),
    OrderButton(
        "remark", "添加备注", _call(order_remark), states=tuple(State),
        question="备注只有员工看得到，保存以后不能修改或删除。", form=RemarkForm, max_rows=1, look=Look.ABSENT,
    ),
    OrderButton(
        "invoice", "发票", _correct(Note.INVOICE), states=(*EARNING, *GOING_BACK),
        question="开给买家的发票号码，会列在导出里；改动写入订单日志。", form=InvoiceForm, max_rows=1, look=Look.QUIET,
    ),
    OrderButton(
        "flag", "标记需关注", _call(order_flag), states=tuple(State),
        question="订单会列在“异常”里，直到有人取消关注。买家看不到。",
        reason="为什么要关注，必填；写入订单日志", needs_reason=True, look=Look.QUIET,
    ),
    OrderButton(
        "unflag", "取消关注", _call(order_unflag), states=tuple(State),
        question="原因和取消的说明都留在订单日志里。",
        reason="为什么不用再关注，必填；写入订单日志", needs_reason=True, form=UnflagForm, max_rows=1,
    ),
)  # fmt: skip


def step_names(order: Order, cells: OrderCells) -> list[str]:
    """Return the names of the buttons for the order's state."""
    idle = {"flag" if order.flagged_at else "unflag"}
    if order.state == State.REFUND_FAILED and cells.is_by_hand(order):
        idle.add("refund_again")
    names = [button.name for button in BUTTONS if button.is_for(order) and button.name not in idle]
    if order.return_step == ReturnStep.AGREED and "arrived" in names:
        # The goods come next: before the button that refuses the return.
        names.remove("arrived")
        names.insert(0, "arrived")
    return names


@dataclass(frozen=True)
class WorkList:
    """Orders that wait for one kind of work; ``columns`` show what staff must know to do the ``steps``."""

    label: str
    icon: str
    rows: Q
    ordering: tuple[Any, ...]
    steps: tuple[str, ...]  # names of the buttons, the usual one first
    columns: tuple[str, ...]


PACKING = "packing"  # not a step of an order: this button prints the packing list
_ASKED = OrderLog.objects.filter(logged(Event.ASK_RETURN), order=OuterRef("pk")).order_by("-pk")
_FAILED = Q(state=State.REFUND_FAILED) | Q(part_refund=PartRefund.STUCK)
WORK_LISTS = {
    "ship": WorkList(
        "待发货", "local_shipping", Q(state__in=(State.PAID, State.PREPARING)), ("paid_at", "pk"),
        steps=("ship", "prepare", PACKING),
        columns=("order_id", "goods", "receiver", "since_paid", "state_label", "flag"),
    ),
    "returns": WorkList(
        "待处理退货", "assignment_return", Q(state__in=ASKED), (Subquery(_ASKED.values("at")[:1]), "pk"),
        steps=("agree", "arrived", "approve", "refund_part", "approve_now", "reject", "return_number"),
        columns=(
            "order_id", "goods", "receiver", "amount", "why", "since_asked", "state_label", "return_parcel", "flag",
        ),
    ),
    "refunds": WorkList(
        "退款处理", "currency_exchange",
        Q(state__in=(State.REFUND_FAILED, State.REFUNDING)) | ~Q(part_refund=PartRefund.NONE),
        (Case(When(_FAILED, then=0), default=1), "pk"),
        steps=("refund_again",),
        columns=("order_id", "receiver", "amount", "state_label", "refund_progress", "flag"),
    ),
    "trouble": WorkList(
        "异常", "report", Q(pk__in=orders_in_trouble()), ("pk",),
        steps=("unflag",),
        columns=("order_id", "goods", "receiver", "amount", "state_label", "trouble"),
    ),
}  # fmt: skip
