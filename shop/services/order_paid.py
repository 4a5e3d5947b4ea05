"""What happens to an order when payments reports money.

These functions are the shop's ``PaymentListener``, registered in ``ShopConfig.ready``.
``payments`` calls ``lock`` first and the ``on_...`` functions after it, in the transaction that records the money.
"""

import re
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from core.money import fen_text
from payments.listener import PaidOutcome
from payments.models import RefundStatus
from payments.selectors import RefundsOfPayment, refunds_of_order
from shop.errors import ProductGone, StockShortage
from shop.models import Order
from shop.order_states import TABLE, Event, PayStatus, State
from shop.services.order_edit import flag_write
from shop.services.order_move import SYSTEM, WECHAT, order_move, order_refunds_sum
from shop.services.vip_purchase import vip_grant, vip_revoke

log = structlog.get_logger("shop")

ORDER_NUMBER = re.compile(r"[0-9]{17}[0-9A-Za-z]{11,15}")  # 17 digits of time, a random suffix


def lock(*, out_trade_no: str) -> int | None:
    """Lock an order's row and return its total in fen; None if there is no such order."""
    order = Order.objects.select_for_update(no_key=True).filter(order_id=out_trade_no).first()
    return order.total_fen if order else None


def on_paid(*, out_trade_no: str, paid_fen: int, transaction_id: str, paid_at: datetime, now: datetime) -> PaidOutcome:
    """Make an order paid. One that was closed before takes its stock again; if that is gone, answer REFUND."""
    order = Order.objects.get(order_id=out_trade_no)
    if order.pay_status == PayStatus.PAID:  # payments reported this money before
        return PaidOutcome.ACCEPTED
    # Show an order again that its buyer has deleted: the buyer must see where the money is.
    payment: dict[str, Any] = {"paid_at": paid_at, "transaction_id": transaction_id, "hidden_at": None}
    detail = f"{transaction_id} {fen_text(paid_fen)}"
    late = order.state != State.OPEN
    try:
        with transaction.atomic():
            note = "订单关闭后收到付款,已重新占用库存" if late else ""
            order_move(order=order, event=Event.PAY, actor=WECHAT, now=now, detail=detail, note=note, **payment)
            if late:
                flag_write(order=order, reason=note, actor=SYSTEM, now=now)
            if vip_grant(order=order, now=now):
                order_move(order=order, event=Event.NOTHING_TO_SHIP, actor=SYSTEM, now=now)
    except (StockShortage, ProductGone) as shortage:
        return _return_the_money(order, shortage, detail, now, payment)
    return PaidOutcome.ACCEPTED


def _return_the_money(
    order: Order, shortage: Exception, detail: str, now: datetime, payment: dict[str, Any]
) -> PaidOutcome:
    log.warning("paid after closing, stock gone: refunding", order_id=order.order_id)
    note = "订单关闭后收到付款,商品已无库存,款项将原路退回"
    detail = f"{detail} {shortage}"
    payment = payment | {"refunded": order.total}  # payments makes the refund
    order.refresh_from_db()
    order_move(order=order, event=Event.PAY_TOO_LATE, actor=WECHAT, now=now, detail=detail, note=note, **payment)
    flag_write(order=order, reason=note, actor=SYSTEM, now=now)
    return PaidOutcome.REFUND


def on_refund_changed(
    *, out_trade_no: str, out_refund_no: str, amount_fen: int, state: str, now: datetime, staff: str
) -> None:
    """Move an order with its refunds. Without a transition in ``TABLE`` the order stays as it is."""
    order = Order.objects.filter(order_id=out_trade_no).first()
    if order is None:  # a refund of stray money: it belongs to no order
        return
    actor, detail = staff or WECHAT, f"{out_refund_no} {fen_text(amount_fen)} {RefundStatus(state).label}"
    refunds = refunds_of_order(out_trade_no=out_trade_no)
    if refunds.moved_fen >= order.total_fen:
        _move_to_refunding(order, actor, now, detail)
    event = _event_of(refunds)
    if (State(order.state), event) in TABLE:
        order_move(order=order, event=event, actor=actor, now=now, detail=detail)
    order_refunds_sum(order=order)


def _event_of(refunds: RefundsOfPayment) -> Event:
    """Return what all refunds together mean to an order whose money goes back: the last one to change may not decide.

    After a refund of a part, the rest is a refund of its own, and each of them may fail or arrive first.
    """
    if refunds.is_all_back:
        return Event.REFUND_DONE
    if refunds.is_stuck or refunds.rest_fen > 0:
        return Event.REFUND_FAIL
    return Event.REFUND_AGAIN


def _move_to_refunding(order: Order, actor: str, now: datetime, detail: str) -> None:
    """Move an order to REFUNDING if the refund was made elsewhere: on the merchant platform, or before a restore."""
    if (State(order.state), Event.REFUND_FOUND) not in TABLE:
        return
    note = "微信侧已全额退款"
    order_move(order=order, event=Event.REFUND_FOUND, actor=actor, now=now, detail=detail, note=note)
    vip_revoke(order=order, now=now)


def is_ours(*, out_trade_no: str) -> bool:
    """Tell whether a number has the form of our order numbers."""
    return ORDER_NUMBER.fullmatch(out_trade_no) is not None


def describe(*, out_trade_no: str) -> str:
    """Return the buyer and the goods of an order in one line, for the back office; "" if there is no such order."""
    order = Order.objects.prefetch_related("lines").filter(order_id=out_trade_no).first()
    if order is None:
        return ""
    return f"{order.username}: " + "、".join(str(line) for line in order.lines.all())[:100]
