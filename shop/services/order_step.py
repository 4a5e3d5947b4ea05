"""The steps of an order that ask for nothing but its state."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from shop.errors import OrderRefused
from shop.models import Order
from shop.models.order import OrderLog, logged
from shop.order_states import ASIDE, Event, State
from shop.services.order_move import in_words, order_lock, order_move

UNDO = timedelta(minutes=10)
_NO_PARCEL: dict[str, Any] = {"express_company": "", "express_no": "", "no_parcel": "", "courier_fee": None}
UNDOES = {Event.UNSHIP: Event.SHIP, Event.UNRECEIVE: Event.RECEIVE}


@transaction.atomic
def order_step(
    *,
    order_id: str,
    event: Event,
    actor: str,
    now: datetime,
    buyer_pk: int | None = None,
    reason: str = "",
    **parcel: Any,
) -> Order:
    """Take an order one step, and its stock and money with it as ``TABLE`` has it.

    :param buyer_pk: the order must be this buyer's, who asks; None for staff.
    :param reason: goes into the log; the buyer reads it where a return is agreed to or refused, and of a refund.
    :param parcel: of SHIP: ``express_company`` and ``express_no``, or in ``no_parcel`` why there are none;
        and the ``courier_fee``.
    :raises RecordUnknown: there is no such order, or the buyer has none.
    :raises OrderRefused: its state does not allow the step; 10 minutes are over, or something followed what it undoes.
    :raises RefundNotPossible: the money cannot go back.
    """
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    if event in UNDOES and not can_be_undone(order, event, now):
        raise OrderRefused(f"{UNDOES[event].label}已超过 10 分钟，或之后订单上又有了变化，不能撤销")
    if event is Event.AGREE_RETURN and not order.lines.filter(vip_level=0).exists():
        raise OrderRefused("订单里只有 VIP 时长，没有要寄回的商品，请直接退款")
    fields = parcel | _fields(event, reason, now)
    if event is Event.UNSHIP:  # the order loses its parcel, and its log keeps it
        parcel = {name: getattr(order, name) for name in _NO_PARCEL}
    sent = _last_step(order) if event is Event.UNSHIP else None
    order_move(order=order, event=event, actor=actor, now=now, detail=reason or in_words(parcel), **fields)
    if sent and sent.from_state == State.PREPARING:
        order_move(order=order, event=Event.PREPARE, actor=actor, now=now)
    return order


def _fields(event: Event, reason: str, now: datetime) -> dict[str, Any]:
    """Return what the step writes beside the state: above all the note that the buyer reads of it."""
    match event:
        case Event.UNSHIP:
            return _NO_PARCEL
        case Event.HIDE:
            return {"hidden_at": now}
        case Event.AGREE_RETURN:
            return {"note": buyer_note("退货申请已同意,请寄回商品并填写寄回单号", reason)}
        case Event.APPROVE_RETURN:
            return {"note": "退货申请已同意"}
        case Event.REJECT_RETURN:
            return {"note": buyer_note("退货申请未通过", reason)}
        case Event.REFUND:
            return {"note": reason or "商家退款"}
    return {}


def buyer_note(text: str, reason: str) -> str:
    """Return a note with a reason. It is read on the wire, where marks are half-width."""
    return ": ".join(filter(None, [text, reason]))[:200]


def _last_step(order: Order) -> OrderLog | None:
    return order.logs.exclude(logged(*ASIDE)).order_by("-pk").first()


def can_be_undone(order: Order, event: Event, now: datetime) -> bool:
    """Tell whether what ``event`` takes back is less than 10 minutes old and only notes followed."""
    last = _last_step(order)
    return last is not None and last.tells_of(UNDOES[event]) and now - last.at < UNDO
