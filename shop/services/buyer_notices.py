"""Text messages to buyers: a parcel is on its way, money has come back. Off until the settings name a template."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from accounts.errors import SmsNotSent
from accounts.services.phones import MOBILE
from accounts.sms import UPSTREAM, sms_send
from core.money import fen_to_yuan
from core.times import format_office_time
from payments.models import Refund, RefundStatus
from shop.models import Order, OrderLog
from shop.models.courier import parcel_page
from shop.models.order import logged
from shop.order_states import Event, Note, State
from shop.services.order_move import SYSTEM, order_lock, order_note
from shop.services.order_ship import UNDO

WAIT = UNDO + timedelta(minutes=1)  # what may still be taken back is not announced; clocks of hosts differ a little
MAX_AGE = timedelta(days=1)  # older news is no news: when a template is set, or the worker was away
MAX_AT_ONCE = 50  # each message may take 6 s, and the next run comes in a minute
_MOBILE = rf"^{MOBILE.pattern}$"  # no other number gets messages
REFUNDED_WITHIN = timedelta(days=30)  # for the index over the time of the request


class Notice(NamedTuple):
    """A message about an order. The log has ``event`` with ``about`` once it was sent, so it is sent once."""

    order_id: str
    phone: str
    event: Note
    about: str
    template: str
    values: dict[str, str]


def buyers_tell(*, now: datetime) -> None:
    """Send what is due. May run twice at once: a message is marked as sent, under the order's lock, before it goes."""
    number = 0
    for notice in chain(_of_shipments(now), _of_refunds(now)):
        try:
            with UPSTREAM.room(SmsNotSent):
                if _claim(notice, now):
                    _send(notice, now)
                    number += 1
        except SmsNotSent:  # no room at the provider: what is not marked goes with the next run
            return
        if number == MAX_AT_ONCE:
            return


def _of_shipments(now: datetime) -> Iterator[Notice]:
    if not settings.SMS_SHIPPED_TEMPLATE_CODE:
        return
    later = OrderLog.objects.filter(order=OuterRef("order"), pk__gt=OuterRef("pk"))
    shipments = OrderLog.objects.annotate(phone=_phone("order__")).filter(
        ~Exists(later.filter(logged(Event.UNSHIP, Note.SHIPMENT_TOLD))),
        logged(Event.SHIP),
        at__gt=now - MAX_AGE,
        at__lte=now - WAIT,
        order__state__in=(State.SHIPPED, State.RECEIVED),
        phone__regex=_MOBILE,
    )
    for log in shipments.exclude(order__express_no="").select_related("order").order_by("pk"):
        order, about = log.order, f"{format_office_time(log.at)} 发出"
        values = {"order": order.order_id, "courier": order.express_company, "number": order.express_no}
        values["link"] = parcel_page(order.express_company, order.express_no) or "快递公司的官网"
        yield Notice(order.order_id, log.phone, Note.SHIPMENT_TOLD, about, settings.SMS_SHIPPED_TEMPLATE_CODE, values)


def _of_refunds(now: datetime) -> Iterator[Notice]:
    if not settings.SMS_REFUNDED_TEMPLATE_CODE:
        return
    number = OuterRef("payment__out_trade_no")
    notes = OrderLog.objects.filter(logged(Note.REFUND_TOLD), order__order_id=number, detail=OuterRef("out_refund_no"))
    phone = Subquery(Order.objects.filter(order_id=number).values_list(_phone()))
    refunds = Refund.objects.annotate(phone=phone).filter(
        ~Exists(notes),
        state=RefundStatus.SUCCESS,
        created_at__gt=now - REFUNDED_WITHIN,
        refunded_at__gt=now - MAX_AGE,
        phone__regex=_MOBILE,
    )
    for refund in refunds.select_related("payment").order_by("pk"):
        order_id = refund.payment.out_trade_no
        values = {"order": order_id, "amount": f"{fen_to_yuan(refund.amount_fen):.2f}"}
        about = refund.out_refund_no
        yield Notice(order_id, refund.phone, Note.REFUND_TOLD, about, settings.SMS_REFUNDED_TEMPLATE_CODE, values)


def _phone(order: str = "") -> Coalesce:
    """Return the phone of the order at the end of the path ``order``, else the one of its buyer."""
    return Coalesce(NullIf(f"{order}phone", Value("")), f"{order}user__phone")


@transaction.atomic
def _claim(notice: Notice, now: datetime) -> bool:
    """Mark a message as sent; tell whether no other worker had."""
    order = order_lock(order_id=notice.order_id)
    if order.logs.filter(logged(notice.event), detail=notice.about).exists():
        return False
    order_note(order=order, event=notice.event, actor=SYSTEM, now=now, detail=notice.about)
    return True


def _send(notice: Notice, now: datetime) -> None:
    """Send a message. A failure is noted on the order, and not tried again: the message may have been sent."""
    try:
        sms_send(phone=notice.phone, template=notice.template, values=notice.values, asker="")
    except SmsNotSent as failure:
        order = Order.objects.get(order_id=notice.order_id)
        order_note(
            order=order, event=Note.NOT_TOLD, actor=SYSTEM, now=now, detail=f"{notice.event.label} {failure.msg}"
        )
