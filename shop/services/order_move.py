"""The only code that changes the state of an order. It writes each change into the order's log."""

from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from core.audit import actor_facts
from core.money import fen_to_yuan, yuan_text
from core.observe import tracing
from payments.models import Refund
from payments.selectors import RefundsOfPayment, refunds_of_order
from payments.services.refund import refund_request
from shop.errors import OrderRefused, RecordUnknown
from shop.models import NoParcel, Order, OrderLog, PartRefund
from shop.models.order import REMARK_LENGTH
from shop.order_states import (
    GOING_BACK,
    RETURN_EVENTS,
    RETURN_REFUSALS,
    RETURN_STEPS,
    STATUSES,
    TABLE,
    Event,
    Note,
    OrderStatus,
    PayStatus,
    State,
    Stock,
    Transition,
    refusal,
)
from shop.services.stock import stock_give_back, stock_take
from shop.services.vip_purchase import vip_revoke

log = structlog.get_logger("shop")
SYSTEM = "系统"
WECHAT = "微信支付"


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
    **fields: Any,
) -> Refund | None:
    """Apply ``event`` to an order whose row is locked: state, stock, refund and log, all or nothing.

    Where all of the money goes back, that is what earlier refunds of a part have left; the refund is returned.

    :param refund_reason: what the buyer reads of the refund at the provider; otherwise ``detail``.
    :param fields: others to save with it.
    :raises OrderRefused: ``TABLE`` has no such transition, or the goods of a return are not that far or further.
    :raises StockShortage, ProductGone: the stock must be taken again and is gone.
    :raises RefundNotPossible: the money cannot go back.
    """
    before = State(order.state)
    transition = require(before, event)
    if reason := RETURN_REFUSALS.get((order.return_step, event)):
        raise OrderRefused(reason)
    _save(order, fields | _move_stock(order, transition) | _state_fields(transition, event))
    order_note(order=order, event=event, actor=actor, now=now, detail=detail, from_state=before)
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
    if order.state not in GOING_BACK:
        if refunds.to_tend:
            order.part_refund = PartRefund.STUCK
        elif refunds.is_under_way:
            order.part_refund = PartRefund.UNDER_WAY
    order.save(update_fields=["refunded", "part_refund"])
    return refunds


def order_write(*, order: Order, note: Note, actor: str, now: datetime, detail: str, **fields: Any) -> None:
    """Change fields of an order whose row is locked, and say in its log what was changed."""
    _save(order, fields)
    order_note(order=order, event=note, actor=actor, now=now, detail=detail)


def in_words(fields: dict[str, Any]) -> str:
    """Say for the log what fields hold."""
    return " ".join(filter(None, field_words(fields).values()))


def field_words(fields: dict[str, Any]) -> dict[str, str]:
    """Return what each of the fields holds, as the log says it."""
    words = dict(fields)
    if words.get("no_parcel"):
        words["no_parcel"] = NoParcel(words["no_parcel"]).label
    if "courier_fee" in words:
        fee = words["courier_fee"]
        words["courier_fee"] = "" if fee is None else f"快递费 {yuan_text(fee)} 元"
    return words


def _save(order: Order, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(order, name, value)
    order.save(update_fields=list(fields))


def order_note(
    *, order: Order, event: Event | Note, actor: str, now: datetime, detail: str = "", from_state: str | None = None
) -> None:
    """Add a row to the order's log; without ``from_state`` its state has not changed."""
    OrderLog.objects.create(
        order=order,
        at=now,
        **actor_facts(actor),
        code=event.value,
        event=str(event.label),
        from_state=order.state if from_state is None else from_state,
        to_state=order.state,
        detail=detail[:REMARK_LENGTH],
    )


def _move_stock(order: Order, transition: Transition) -> dict[str, Any]:
    """Take the stock or give it back, as the transition has it; return the field that says so."""
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


def _state_fields(transition: Transition, event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {"state": transition.to} | STATUSES[transition.to].numbers
    if event in RETURN_STEPS:
        fields["return_step"] = RETURN_STEPS[event]
    if event in RETURN_EVENTS:
        fields["order_status"] = OrderStatus.RETURNED
    if transition.to is not State.OPEN:
        fields |= {"sweep_at": None, "closing": "", "closing_by": ""}
    return fields
