"""Text messages to buyers: a parcel is on its way, money has come back. Off until the settings name a template."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.errors import SmsNotSent
from accounts.services.phones import MOBILE
from accounts.sms import sms_room, sms_send
from core.money import fen_to_yuan
from core.times import format_office_time
from payments.models import Refund, RefundStatus
from shop.models import Order, OrderLog
from shop.parcel_numbers import parcel_page
from shop.services.order_attention import NOT_TOLD, REFUND_TOLD, SHIPMENT_TOLD
from shop.services.order_move import SYSTEM, order_lock, order_note
from shop.services.order_ship import UNDO
from shop.states import Event, State

WAIT = UNDO + timedelta(minutes=1)  # nobody is told what may still be taken back; clocks of hosts differ a little
MAX_AGE = timedelta(days=1)  # older news is no news: when a template is set, or the worker was away
MAX_AT_ONCE = 50  # each message may take 6 s, and the next run comes in a minute
REFUNDED_WITHIN = timedelta(days=30)  # for the index over the time of the request


class Notice(NamedTuple):
    """A message about an order. The log has ``event`` with ``about`` once it was sent, so it is sent once."""

    order_id: str
    event: str
    about: str
    template: str
    values: dict[str, str]


def buyers_tell(*, now: datetime) -> None:
    """Send what is due. May run twice at once: a message is marked as sent, under the order's lock, before it goes."""
    sent = 0
    for notice in chain(_of_shipments(now), _of_refunds(now)):
        try:
            with sms_room():
                if phone := _claim(notice, now):
                    _send(notice, phone, now)
                    sent += 1
        except SmsNotSent:  # no room at the provider: what is not marked goes with the next run
            return
        if sent == MAX_AT_ONCE:
            return


def _of_shipments(now: datetime) -> Iterator[Notice]:
    if not settings.SMS_SHIPPED_TEMPLATE_CODE:
        return
    shipments = OrderLog.objects.filter(event=Event.SHIP.label, at__gt=now - MAX_AGE, at__lte=now - WAIT)
    shipments = shipments.filter(order__state__in=(State.SHIPPED, State.RECEIVED)).exclude(order__express_no="")
    taken_back = OrderLog.objects.filter(order=OuterRef("order"), event=Event.UNSHIP.label, pk__gt=OuterRef("pk"))
    told = _told(SHIPMENT_TOLD, now)
    for log in shipments.exclude(Exists(taken_back)).select_related("order").order_by("pk"):
        order, about = log.order, f"{format_office_time(log.at)} 发出"
        if (order.pk, about) not in told:
            values = {"order": order.order_id, "courier": order.express_company, "number": order.express_no}
            values["link"] = parcel_page(order.express_company, order.express_no) or "快递公司的官网"
            yield Notice(order.order_id, SHIPMENT_TOLD, about, settings.SMS_SHIPPED_TEMPLATE_CODE, values)


def _of_refunds(now: datetime) -> Iterator[Notice]:
    if not settings.SMS_REFUNDED_TEMPLATE_CODE:
        return
    refunds = Refund.objects.filter(state=RefundStatus.SUCCESS, created_at__gt=now - REFUNDED_WITHIN)
    told = {about for _, about in _told(REFUND_TOLD, now)}
    for refund in refunds.filter(refunded_at__gt=now - MAX_AGE).select_related("payment").order_by("pk"):
        number = refund.payment.out_trade_no
        if refund.out_refund_no not in told and Order.objects.filter(order_id=number).exists():
            values = {"order": number, "amount": f"{fen_to_yuan(refund.amount_fen):.2f}"}
            yield Notice(number, REFUND_TOLD, refund.out_refund_no, settings.SMS_REFUNDED_TEMPLATE_CODE, values)


def _told(event: str, now: datetime) -> set[tuple[int, str]]:
    logs = OrderLog.objects.filter(event=event, at__gt=now - MAX_AGE - WAIT)
    return set(logs.values_list("order_id", "detail"))


@transaction.atomic
def _claim(notice: Notice, now: datetime) -> str:
    """Mark a message as sent. Return the number it goes to; "" if it was marked already or nobody can get it."""
    order = order_lock(order_id=notice.order_id)
    phone = order.phone or (order.user.phone if order.user else "")
    if not MOBILE.fullmatch(phone) or order.logs.filter(event=notice.event, detail=notice.about).exists():
        return ""
    order_note(order=order, event=notice.event, actor=SYSTEM, now=now, detail=notice.about)
    return phone


def _send(notice: Notice, phone: str, now: datetime) -> None:
    """Send a message. A failure is noted on the order, and nobody tries again: the message may have been sent."""
    try:
        sms_send(phone=phone, template=notice.template, values=notice.values, network="")
    except SmsNotSent as failure:
        order = Order.objects.get(order_id=notice.order_id)
        order_note(order=order, event=NOT_TOLD, actor=SYSTEM, now=now, detail=f"{notice.event} {failure.msg}")
