"""The life of an order: a table says what each event does in each state. A pair that it does not name is refused.

Only ``services/order_move.py`` changes an order's state, and it follows this table. The picture in ``docs/shop.md``
shows the table; a test compares the two.
"""

from enum import Enum
from typing import NamedTuple

from django.db import models


class OrderStatus(models.IntegerChoices):
    DRAFT = 0, "未提交"
    SUBMITTED = 1, "提交成功"
    CANCELLED = 2, "已经取消"
    INVALID = 3, "无效订单"
    CLOSED = 4, "交易关闭"
    RETURNED = 5, "退货"


class PayStatus(models.IntegerChoices):
    UNPAID = 0, "未支付"
    PAID = 1, "已支付"


class ShippingStatus(models.IntegerChoices):
    NOT_SHIPPED = 0, "未发货"
    SHIPPED = 1, "已发货"
    RECEIVED = 2, "已收货"
    PREPARING = 3, "备货中"


class State(models.TextChoices):
    OPEN = "open", "待付款"
    PAID = "paid", "待发货"
    PREPARING = "preparing", "备货中"
    SHIPPED = "shipped", "已发货"
    RECEIVED = "received", "已收货"
    CANCELLED = "cancelled", "已取消"
    CLOSED = "closed", "交易关闭"
    INVALID = "invalid", "无效订单"
    RETURN_ASKED = "return_asked", "退货待处理"  # the goods are on their way to the buyer
    RETURN_ASKED_LATER = "return_asked_later", "收货后退货待处理"
    REFUNDING = "refunding", "退款中"
    REFUND_FAILED = "refund_failed", "退款异常"
    REFUNDED = "refunded", "已退款"


class ReturnStep(models.TextChoices):
    """How far the goods of a return are, while its order is in one of ``ASKED``.

    No states of their own: 1.1.0 fails on a state that it does not know, and to the buyer all of them are 退货待处理.
    """

    ASKED = "", "退货待处理"
    AGREED = "agreed", "待寄回"
    RECEIVED = "received", "退货已收到"


class Event(models.TextChoices):
    PAY = "pay", "付款"
    PAY_TOO_LATE = "pay_too_late", "付款（商品已无库存）"
    START_PAYMENT = "start_payment", "支付"
    CANCEL = "cancel", "取消"
    EXPIRE = "expire", "超时关闭"
    CLOSE = "close", "关闭"
    INVALIDATE = "invalidate", "作废"
    PREPARE = "prepare", "备货"
    UNPREPARE = "unprepare", "改为未发货"
    SHIP = "ship", "发货"
    UNSHIP = "unship", "撤销发货"
    RECEIVE = "receive", "确认收货"
    UNRECEIVE = "unreceive", "撤销收货"
    NOTHING_TO_SHIP = "nothing_to_ship", "无需发货"
    ASK_RETURN = "ask_return", "退货"
    AGREE_RETURN = "agree_return", "同意寄回"
    RECEIVE_RETURN = "receive_return", "收到退货"
    APPROVE_RETURN = "approve_return", "同意退货"  # the money goes back
    REJECT_RETURN = "reject_return", "拒绝退货"
    REFUND = "refund", "退款"
    REFUND_PART = "refund_part", "部分退款"
    REFUND_AGAIN = "refund_again", "重新退款"
    REFUND_FOUND = "refund_found", "微信侧退款"
    REFUND_DONE = "refund_done", "退款成功"
    REFUND_FAIL = "refund_fail", "退款失败"
    HIDE = "hide", "删除"


class Note(models.TextChoices):
    """Entries of an order's log that are no event of the table. No value is one of ``Event`` as well."""

    PLACED = "placed", "下单"
    PAYMENT_STARTED = "payment_started", "发起支付"
    CANCEL_ASKED = "cancel_asked", "要求取消"
    CLOSE_ASKED = "close_asked", "要求关闭"
    INVALIDATE_ASKED = "invalidate_asked", "要求作废"
    CLOSE_WAITS = "close_waits", "等待关单"
    RESTORED = "restored", "恢复备份"
    MOVED_IN = "moved_in", "迁入"
    PARCEL = "parcel", "修改快递"
    RETURN_PARCEL = "return_parcel", "寄回单号"
    RECEIVER = "receiver", "修改收货信息"  # its detail has phones
    INVOICE = "invoice", "发票"
    REMARK = "remark", "内部备注"
    FLAG = "flag", "标记需关注"
    UNFLAG = "unflag", "取消关注"
    # Text messages to buyers, which 1.1.0 sent.
    SHIPMENT_TOLD = "shipment_told", "短信通知发货"
    REFUND_TOLD = "refund_told", "短信通知退款"
    NOT_TOLD = "not_told", "短信没有发出"


# Notes that follow from no step of the order.
ASIDE = (Note.INVOICE, Note.REMARK, Note.FLAG, Note.UNFLAG, Note.SHIPMENT_TOLD, Note.REFUND_TOLD, Note.NOT_TOLD)


class OrderAction(models.IntegerChoices):
    """What staff do to orders and to money, as the list of changes names it; beside ``core.audit.StaffAction``."""

    SHIP = 101, "发货"
    ORDER = 102, "处理订单"
    REFUND = 103, "退款"


class Stock(Enum):
    """What a transition does to the order's pieces in the stock."""

    KEEP = "keep"
    GIVE_BACK = "give back"
    TAKE_AGAIN = "take again"


class Transition(NamedTuple):
    to: State
    stock: Stock = Stock.KEEP
    refund: bool = False  # all of the order's money that is left is refunded


class Status(NamedTuple):
    """A state as others see it: the three numbers of the API document, and how a refusal begins.

    ``None``: the number stays as it was.
    """

    order_status: OrderStatus | None
    pay_status: PayStatus
    shiping_status: ShippingStatus | None
    phrase: str

    @property
    def numbers(self) -> dict[str, int]:
        numbers = zip(self._fields, self[:3], strict=False)
        return {name: int(number) for name, number in numbers if number is not None}


_S, _E = State, Event
_O, _P, _H = OrderStatus, PayStatus, ShippingStatus

STATUSES: dict[State, Status] = {
    _S.OPEN: Status(_O.SUBMITTED, _P.UNPAID, _H.NOT_SHIPPED, "订单尚未付款"),
    _S.PAID: Status(_O.SUBMITTED, _P.PAID, _H.NOT_SHIPPED, "订单已付款,尚未发货"),
    _S.PREPARING: Status(_O.SUBMITTED, _P.PAID, _H.PREPARING, "订单正在备货"),
    _S.SHIPPED: Status(_O.SUBMITTED, _P.PAID, _H.SHIPPED, "订单已发货"),
    _S.RECEIVED: Status(_O.SUBMITTED, _P.PAID, _H.RECEIVED, "订单已收货"),
    _S.CANCELLED: Status(_O.CANCELLED, _P.UNPAID, _H.NOT_SHIPPED, "订单已取消"),
    _S.CLOSED: Status(_O.CLOSED, _P.UNPAID, _H.NOT_SHIPPED, "订单已经关闭"),
    _S.INVALID: Status(_O.INVALID, _P.UNPAID, _H.NOT_SHIPPED, "订单无效"),
    _S.RETURN_ASKED: Status(_O.RETURNED, _P.PAID, _H.SHIPPED, "订单的退货申请正在处理"),
    _S.RETURN_ASKED_LATER: Status(_O.RETURNED, _P.PAID, _H.RECEIVED, "订单的退货申请正在处理"),
    # order_status is 5 after a return; an order that was paid after it was closed keeps its 2, 3 or 4.
    _S.REFUNDING: Status(None, _P.PAID, None, "订单正在退款"),
    _S.REFUND_FAILED: Status(None, _P.PAID, None, "订单退款异常,正在人工处理"),
    _S.REFUNDED: Status(None, _P.PAID, None, "订单已退款"),
}

# States that wait for a clerk's decision, parcel or money.
TO_DO = (_S.PAID, _S.PREPARING, _S.RETURN_ASKED, _S.RETURN_ASKED_LATER, _S.REFUNDING, _S.REFUND_FAILED)

# States of an order whose money counts as revenue: it is paid, and at most a part went back.
EARNING = (_S.PAID, _S.PREPARING, _S.SHIPPED, _S.RECEIVED, _S.RETURN_ASKED, _S.RETURN_ASKED_LATER)

# States of an order all of whose money has gone back or is to.
GOING_BACK = (_S.REFUNDING, _S.REFUND_FAILED, _S.REFUNDED)

# States of an order that ended without money. Late money still makes it paid, or goes back.
CLOSED_UNPAID = (_S.CANCELLED, _S.CLOSED, _S.INVALID)
# States of an order whose buyer wants to give shipped goods back.
ASKED = (_S.RETURN_ASKED, _S.RETURN_ASKED_LATER)
_UNSHIPPED = (_S.PAID, _S.PREPARING)
_OUT_OF_HOUSE = (_S.SHIPPED, _S.RECEIVED)

TABLE: dict[tuple[State, Event], Transition] = {
    # Unpaid. Before one of the last four is recorded, the payment is closed at WeChat Pay.
    (_S.OPEN, _E.START_PAYMENT): Transition(_S.OPEN),
    (_S.OPEN, _E.PAY): Transition(_S.PAID),
    (_S.OPEN, _E.CANCEL): Transition(_S.CANCELLED, Stock.GIVE_BACK),
    (_S.OPEN, _E.EXPIRE): Transition(_S.CLOSED, Stock.GIVE_BACK),
    (_S.OPEN, _E.CLOSE): Transition(_S.CLOSED, Stock.GIVE_BACK),
    (_S.OPEN, _E.INVALIDATE): Transition(_S.INVALID, Stock.GIVE_BACK),
    # Paid after it was closed: the pieces are taken again; if they are gone, payments returns the money.
    **{(state, _E.PAY): Transition(_S.PAID, Stock.TAKE_AGAIN) for state in CLOSED_UNPAID},
    **{(state, _E.PAY_TOO_LATE): Transition(_S.REFUNDING) for state in CLOSED_UNPAID},
    # Shipping.
    (_S.PAID, _E.PREPARE): Transition(_S.PREPARING),
    (_S.PREPARING, _E.UNPREPARE): Transition(_S.PAID),
    **{(state, _E.SHIP): Transition(_S.SHIPPED) for state in _UNSHIPPED},
    (_S.SHIPPED, _E.UNSHIP): Transition(_S.PAID),
    (_S.SHIPPED, _E.RECEIVE): Transition(_S.RECEIVED),
    (_S.RECEIVED, _E.UNRECEIVE): Transition(_S.SHIPPED),
    (_S.PAID, _E.NOTHING_TO_SHIP): Transition(_S.RECEIVED),
    # Returns and refunds. After shipping no stock is given back here: staff count what really came back.
    **{(state, _E.ASK_RETURN): Transition(_S.REFUNDING, Stock.GIVE_BACK, refund=True) for state in _UNSHIPPED},
    **{(state, _E.REFUND): Transition(_S.REFUNDING, Stock.GIVE_BACK, refund=True) for state in _UNSHIPPED},
    (_S.SHIPPED, _E.ASK_RETURN): Transition(_S.RETURN_ASKED),
    (_S.RECEIVED, _E.ASK_RETURN): Transition(_S.RETURN_ASKED_LATER),
    (_S.RETURN_ASKED, _E.REJECT_RETURN): Transition(_S.SHIPPED),
    (_S.RETURN_ASKED_LATER, _E.REJECT_RETURN): Transition(_S.RECEIVED),
    **{(state, event): Transition(state) for state in ASKED for event in (_E.AGREE_RETURN, _E.RECEIVE_RETURN)},
    # A part of the money: the rest of the order goes on. A return that was asked for ends with it.
    **{(state, _E.REFUND_PART): Transition(state) for state in (*_UNSHIPPED, *_OUT_OF_HOUSE)},
    (_S.RETURN_ASKED, _E.REFUND_PART): Transition(_S.SHIPPED),
    (_S.RETURN_ASKED_LATER, _E.REFUND_PART): Transition(_S.RECEIVED),
    **{(state, _E.APPROVE_RETURN): Transition(_S.REFUNDING, refund=True) for state in ASKED},
    **{(state, _E.REFUND): Transition(_S.REFUNDING, refund=True) for state in (*_OUT_OF_HOUSE, *ASKED)},
    # A full refund that was made elsewhere, for example in WeChat's merchant platform, and found in the bill.
    **{(state, _E.REFUND_FOUND): Transition(_S.REFUNDING, Stock.GIVE_BACK) for state in _UNSHIPPED},
    **{(state, _E.REFUND_FOUND): Transition(_S.REFUNDING) for state in (*_OUT_OF_HOUSE, *ASKED)},
    # The end of the refund.
    (_S.REFUNDING, _E.REFUND_DONE): Transition(_S.REFUNDED),
    (_S.REFUNDING, _E.REFUND_FAIL): Transition(_S.REFUND_FAILED),
    (_S.REFUND_FAILED, _E.REFUND_DONE): Transition(_S.REFUNDED),
    (_S.REFUND_FAILED, _E.REFUND_AGAIN): Transition(_S.REFUNDING),
    # The buyer deletes the order: it is hidden, its record stays.
    **{(state, _E.HIDE): Transition(state) for state in (*CLOSED_UNPAID, _S.RECEIVED, _S.REFUNDED)},
}

# The step at which a return is after an event. Once the goods are here, it ends with money only.
RETURN_STEPS = {
    _E.ASK_RETURN: ReturnStep.ASKED,
    _E.AGREE_RETURN: ReturnStep.AGREED,
    _E.RECEIVE_RETURN: ReturnStep.RECEIVED,
    _E.REJECT_RETURN: ReturnStep.ASKED,
    _E.REFUND_PART: ReturnStep.ASKED,
}
RETURN_REFUSALS: dict[tuple[str, Event], str] = {
    (ReturnStep.AGREED, _E.AGREE_RETURN): "退货已经同意，在等买家寄回",
    **{(ReturnStep.RECEIVED, event): "退回的商品已经收到" for event in (_E.AGREE_RETURN, _E.RECEIVE_RETURN)},
    (ReturnStep.RECEIVED, _E.REJECT_RETURN): "退回的商品已经收到，不能再拒绝，请退款",
}

# Events that set order_status to 5 (returned). PAY_TOO_LATE is none of them: it leaves 2, 3 or 4.
RETURN_EVENTS = frozenset({_E.ASK_RETURN, _E.APPROVE_RETURN, _E.REFUND, _E.REFUND_FOUND})

_ADVICE: dict[tuple[State, Event], str] = {
    **{(state, _E.CANCEL): "订单已付款,不能取消,请申请退货" for state in (*_UNSHIPPED, *_OUT_OF_HOUSE)},
    **{(state, _E.SHIP): "订单已经发货,不能重复发货" for state in _OUT_OF_HOUSE},
    (_S.OPEN, _E.HIDE): "订单尚未付款,请先取消再删除",
    (_S.RECEIVED, _E.RECEIVE): "订单已收货,不能重复确认收货",
}


def refusal(state: State, event: Event) -> str:
    """Say in Chinese why ``event`` does not happen to an order in ``state``."""
    return _ADVICE.get((state, event)) or f"{STATUSES[state].phrase},不能{event.label}"
