"""Starting the payment of an order."""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Least

from core.audit import Actor
from payments.errors import PaymentClosed
from payments.models import Payment
from payments.services.query_close import payment_close
from payments.services.start import MIN_LIFE, payment_check_provider, payment_start
from shop.errors import PayOrderCancelled, PayOrderClosed, PayOrderPaid, PayOrderUnknown, RecordUnknown, ShopError
from shop.models import Order
from shop.order_states import TABLE, Event, Note, OrderStatus, State
from shop.services.order_create import order_deadline
from shop.services.order_move import order_lock, order_note

_TITLE_BYTES = 100  # of the provider's 127; the rest is for "and so many more"


def order_pay(
    *,
    order_id: str,
    buyer_pk: int,
    trade_type: str,
    client_ip: str,
    openid: str = "",
    appid: str = "",
    now: datetime,
) -> Payment:
    """Start the payment of an order, or return the one that was started before. Not in a transaction: up to 6 s.

    :raises PayOrderUnknown, PayOrderPaid, PayOrderCancelled, PayOrderClosed: as named.
    :raises PaymentError: the provider refused or did not answer.
    """
    order = _begin(order_id, buyer_pk, now)
    try:
        payment = payment_start(
            out_trade_no=order.order_id,
            amount_fen=order.total_fen,
            description=_describe(order),
            trade_type=trade_type,
            client_ip=client_ip,
            openid=openid,
            appid=appid,
            # Not the order's own: if WeChat does not get the first request, a later one must still leave it MIN_LIFE.
            deadline=order_deadline(order.created_at) + MIN_LIFE,
            now=now,
        )
    except PaymentClosed:
        # The provider does not take this number again, so the order cannot be paid: let it expire now.
        Order.objects.filter(pk=order.pk, state=State.OPEN).update(
            expires_at=Least(F("expires_at"), Value(now)), sweep_at=now
        )
        raise
    _move_deadline(order, payment, now)
    return payment


@transaction.atomic
def _begin(order_id: str, buyer_pk: int, now: datetime) -> Order:
    """Store, under the order's lock, that a payment was started: from now on it is closed before the order closes."""
    try:
        order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    except RecordUnknown:
        raise PayOrderUnknown from None
    if order.closing or (order.effective_state(now), Event.START_PAYMENT) not in TABLE:
        raise _why_not_payable(order)
    if order.payment_started_at is None:
        payment_check_provider()  # only the first time: a payment that has its code needs no provider
        order_note(order=order, event=Note.PAYMENT_STARTED, actor=Actor.of(order.user), now=now)
    order.payment_started_at = now
    order.save(update_fields=["payment_started_at"])
    return order


def _why_not_payable(order: Order) -> ShopError:
    match order.order_status:
        case OrderStatus.CANCELLED:
            return PayOrderCancelled()
        case OrderStatus.CLOSED | OrderStatus.INVALID:
            return PayOrderClosed()
    if order.closing == Event.CANCEL:
        return PayOrderCancelled()
    return PayOrderClosed() if order.state == State.OPEN else PayOrderPaid()


def _move_deadline(order: Order, payment: Payment, now: datetime) -> None:
    """Set the order's deadline anew from now, since the payment is started; not beyond the provider's deadline.

    :raises ShopError: the order was closed or paid while the provider was asked.
    """
    ends = min(order_deadline(now), payment.time_expire)
    if Order.objects.filter(pk=order.pk, state=State.OPEN, closing="").update(expires_at=ends, sweep_at=ends):
        return
    order.refresh_from_db()
    if order.state != State.PAID:
        payment_close(out_trade_no=order.order_id, now=now)
        order.refresh_from_db()  # it may have been paid before the payment was closed
    raise _why_not_payable(order)


def _describe(order: Order) -> str:
    titles = list(order.lines.values_list("title", flat=True))
    title = titles[0].encode()[:_TITLE_BYTES].decode(errors="ignore")
    return title if len(titles) == 1 else f"{title}等{len(titles)}件商品"
