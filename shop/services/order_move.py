"""The only code that changes the state of an order, and the services that are one such change."""

from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from core.money import fen_to_yuan
from core.observe import tracing
from payments.models import Refund
from payments.selectors import RefundsOfPayment, refunds_of_order
from payments.services import refund_request
from shop.errors import OrderRefused, RecordUnknown
from shop.models import Order, OrderLog, PartRefund
from shop.models.order import REMARK_LENGTH
from shop.services.stock import stock_give_back, stock_take
from shop.services.vip import vip_revoke
from shop.states import (
    API_STATUSES,
    RETURN_EVENTS,
    TABLE,
    Event,
    OrderStatus,
    PayStatus,
    ShippingStatus,
    State,
    Stock,
    Transition,
    refusal,
)

log = structlog.get_logger("shop")
SYSTEM = "系统"
WECHAT = "微信支付"
RECEIVER_CHANGED = "修改收货信息"  # the event; its detail has the phone that it was before
EVENT_OF_ACTION = {
    ShippingStatus.NOT_SHIPPED: Event.UNPREPARE,
    ShippingStatus.SHIPPED: Event.SHIP,
    ShippingStatus.RECEIVED: Event.RECEIVE,
    ShippingStatus.PREPARING: Event.PREPARE,
}


def order_lock(*, order_id: str, buyer_pk: int | None = None) -> Order:
    """Lock an order's row and return it: the first lock of every transaction that changes an order or its money.

    :param buyer_pk: the order must be this buyer's and not hidden; None for the back office and the provider.
    :raises RecordUnknown: there is no such order.
    """
    orders = Order.objects.select_for_update(no_key=True).filter(order_id=order_id)
    if buyer_pk is not None:
        orders = orders.filter(user_id=buyer_pk, hidden_at=None)
    order = orders.first()
    if order is None:
        raise RecordUnknown
    tracing.about(order=order_id)
    return order


def require(state: State, event: Event) -> Transition:
    """Return the transition of ``event`` in ``state``.

    :raises OrderRefused: there is none; ``msg`` says why.
    """
    transition = TABLE.get((state, event))
    if transition is None:
        raise OrderRefused(refusal(state, event))
    return transition


def order_move(
    *,
    order: Order,
    event: Event,
    actor: str,
    now: datetime,
    detail: str = "",
    refund_reason: str = "",
    **facts: Any,
) -> Refund | None:
    """Apply ``event`` to an order whose row is locked: state, stock, refund and log, all or nothing.

    Where all of the money goes back, that is what earlier refunds of a part have left; the refund is returned.

    :param refund_reason: what the buyer reads of the refund at the provider; otherwise ``detail``.
    :param facts: other fields to save with it.
    :raises OrderRefused: ``TABLE`` has no such transition.
    :raises StockShortage, ProductGone: the stock must be taken again and is gone.
    :raises RefundNotPossible: the money cannot go back.
    """
    before = State(order.state)
    transition = require(before, event)
    changed = facts | _stock_facts(order, transition) | _face_facts(order, transition, event)
    for name, value in changed.items():
        setattr(order, name, value)
    order.save(update_fields=list(changed))
    OrderLog.objects.create(
        order=order,
        at=now,
        actor=actor[:64],
        event=event.label,
        from_state=before,
        to_state=transition.to,
        detail=detail[:200],
    )
    line = partial(log.info, "order", order=order.order_id, step=event.label, state=transition.to)
    transaction.on_commit(line, robust=True)
    if transition.refund:
        vip_revoke(order=order, now=now)
        refund = refund_request(
            out_trade_no=order.order_id,
            amount_fen=None,
            reason=refund_reason or detail or event.label,
            requested_by=actor,
            now=now,
        )
        order_refunds_sum(order=order)
        return refund
    return None


def order_refunds_sum(*, order: Order) -> RefundsOfPayment:
    """Write down how much of a paid order goes back, and how the refunds of a part are. The order's row is locked."""
    refunds = refunds_of_order(out_trade_no=order.order_id)
    if order.pay_status != PayStatus.PAID:  # money that fits no order goes back without it
        return refunds
    order.refunded = min(fen_to_yuan(refunds.claimed_fen), order.total)
    order.part_refund = PartRefund.NONE
    if order.state not in (State.REFUNDING, State.REFUND_FAILED, State.REFUNDED):
        if refunds.to_tend:
            order.part_refund = PartRefund.STUCK
        elif refunds.is_under_way:
            order.part_refund = PartRefund.UNDER_WAY
    order.save(update_fields=["refunded", "part_refund"])
    return refunds


def order_note(*, order: Order, event: str, actor: str, now: datetime, detail: str = "") -> None:
    """Add a log row about something that did not change the order's state."""
    OrderLog.objects.create(
        order=order,
        at=now,
        actor=actor[:64],
        event=event,
        from_state=order.state,
        to_state=order.state,
        detail=detail[:REMARK_LENGTH],
    )


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
) -> Order:
    """Set a paid order's shipping status to ``action``, a number of the API document.

    :param express_company: the courier who takes the parcel, and below it the parcel's number; only for SHIPPED.
    :param buyer_pk: the buyer who asks: the order must be that buyer's; None for the back office.
    :raises RecordUnknown: there is no such order.
    :raises OrderRefused: its state does not allow it, or ``action`` is no shipping status.
    """
    event = EVENT_OF_ACTION.get(action)  # type: ignore[call-overload]
    if event is None:
        raise OrderRefused("action: 必须是0、1、2、3之一")
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    facts: dict[str, Any] = {}
    if event is Event.SHIP:
        facts = {"express_company": express_company, "express_no": express_no}
    detail = f"{express_company} {express_no}".strip()
    order_move(order=order, event=event, actor=actor, now=now, detail=detail, **facts)
    return order


@transaction.atomic
def order_set_parcel(*, order_id: str, express_company: str, express_no: str, actor: str, now: datetime) -> Order:
    """Correct the courier and the parcel's number of an order that was shipped.

    :raises RecordUnknown: there is no such order.
    :raises OrderRefused: it was not shipped.
    """
    order = order_lock(order_id=order_id)
    if order.shiping_status not in (ShippingStatus.SHIPPED, ShippingStatus.RECEIVED):
        raise OrderRefused("订单还没有发货，请在发货时填写快递单号")
    before = f"{order.express_company} {order.express_no}".strip()
    order.express_company, order.express_no = express_company, express_no
    order.save(update_fields=["express_company", "express_no"])
    detail = f"{before or '没有'} → {express_company} {express_no}".strip()
    order_note(order=order, event="修改快递", actor=actor, now=now, detail=detail)
    return order


@transaction.atomic
def order_set_receiver(*, order_id: str, recipient: str, phone: str, address: str, actor: str, now: datetime) -> Order:
    """Correct who gets the parcel of an order that was not shipped yet. The log keeps what it was before.

    :raises RecordUnknown: there is no such order.
    :raises OrderRefused: it was shipped, or is closed.
    """
    order = order_lock(order_id=order_id)
    if order.state not in (State.OPEN, State.PAID, State.PREPARING):
        raise OrderRefused(f"订单“{State(order.state).label}”，不能再修改收货信息")
    before = " ".join(filter(None, [order.recipient, order.phone, order.address]))
    order.recipient, order.phone, order.address = recipient, phone, address
    order.save(update_fields=["recipient", "phone", "address"])
    order_note(order=order, event=RECEIVER_CHANGED, actor=actor, now=now, detail=f"原为 {before or '空'}")
    return order


@transaction.atomic
def order_hide(*, order_id: str, buyer_pk: int, actor: str, now: datetime) -> None:
    """Hide an order from its buyer; the row stays.

    :raises RecordUnknown: the buyer has no such order.
    :raises OrderRefused: the order is not finished yet.
    """
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    order_move(order=order, event=Event.HIDE, actor=actor, now=now, hidden_at=now)


def _stock_facts(order: Order, transition: Transition) -> dict[str, Any]:
    if transition.stock is Stock.KEEP:
        return {}
    takes = transition.stock is Stock.TAKE_AGAIN
    if order.holds_stock is takes:
        raise RuntimeError(f"{order.order_id}: its stock was {'taken' if takes else 'given back'} before")
    pieces = {line.product_id: line.left for line in order.lines.all()}
    if takes:
        stock_take(pieces)
    else:
        stock_give_back(pieces)
    return {"holds_stock": takes}


def _face_facts(order: Order, transition: Transition, event: Event) -> dict[str, Any]:
    facts: dict[str, Any] = {"state": transition.to}
    facts |= {name: number for name, number in API_STATUSES[transition.to]._asdict().items() if number is not None}
    if event in RETURN_EVENTS:
        facts["order_status"] = OrderStatus.RETURNED
    if transition.to is not State.OPEN:
        facts |= {"sweep_at": None, "closing": "", "closing_by": ""}
    return facts
