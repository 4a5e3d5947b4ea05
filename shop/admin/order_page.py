"""What the page of an order shows beside the order's own row: start at ``order_page()``."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from accounts.selectors import actor_names, display_names
from core.admin.phones import are_phones_whole, phone_shown, phones_masked
from core.admin.tables import LogLine, page_link
from core.money import fen_to_yuan, yuan_text
from core.times import format_office_time
from payments.models import Payment, Refund
from shop.admin.order_cells import COLOURS
from shop.admin.order_related import Related
from shop.models import LineRefund, Order, OrderLog, PartRefund
from shop.models.courier import courier_of, parcel_page
from shop.models.order import REMARK_LENGTH, logged
from shop.order_states import ASIDE, ASKED, Event, Note, State


@dataclass(frozen=True)
class Money:
    """A payment of the order, or a refund."""

    link: SafeString
    state: str
    amount: str
    about: str
    trouble: str = ""


def order_page(order: Order) -> dict[str, Any]:
    """Return what the template calls ``page``."""
    logs, related = list(order.logs.order_by("-pk")), Related([order])
    names = actor_names(logs)
    lines = {log: LogLine(log.at, names[log.pk], log.label, _arrow(log), log.detail) for log in logs}
    if not are_phones_whole(order):
        for log in logs:
            if log.tells_of(Note.RECEIVER):
                lines[log] = lines[log]._replace(detail=phones_masked(log.detail))
    request = next((line for log, line in lines.items() if log.tells_of(Event.ASK_RETURN)), None)
    has_failed = order.state == State.REFUND_FAILED or order.part_refund == PartRefund.STUCK
    refund = related.refund(order) if has_failed else None
    return {
        "colour": COLOURS.get(order.state_label, ""),
        "buyer": page_link(order.user, order.username) if order.user else order.username,
        "phone": phone_shown(order),
        # Newest first, each with whether it is a remark.
        "log": [(line, log.tells_of(Note.REMARK)) for log, line in lines.items()],
        "asked": request if order.state in ASKED else None,
        "money": [*_payments(order), *_refunds(order)],
        "trouble": refund.trouble if refund else "",
        "way_out": related.way_out(order) if refund else "",
        "flagged_by": display_names([order.flagged_by])[order.flagged_by],
        "parcel_page": parcel_page(order.express_company, order.express_no),
        "return_courier": courier_of(order.return_no),
        "max_remark": REMARK_LENGTH,
    }


def last_step(order: Order) -> str:
    """Say who did the latest step, which and when; notes and messages are none. Return "" if the log is empty."""
    log = order.logs.exclude(logged(*ASIDE)).order_by("-pk").first()
    return f"{actor_names([log])[log.pk]} 于 {format_office_time(log.at)} {log.label}" if log else ""


def _payments(order: Order) -> Iterator[Money]:
    for payment in Payment.objects.filter(out_trade_no=order.order_id):
        about = " ".join(filter(None, [payment.get_trade_type_display(), format_office_time(payment.paid_at)]))
        link = page_link(payment, payment.transaction_id or payment.out_trade_no)
        yield Money(link, payment.get_state_display(), yuan_text(fen_to_yuan(payment.amount_fen)), about)


def _refunds(order: Order) -> Iterator[Money]:
    pieces: dict[str, list[str]] = defaultdict(list)
    for part in LineRefund.objects.filter(line__order=order).select_related("line"):
        shelf = "放回货架" if part.is_restocked else "退款时没有放回"
        pieces[part.out_refund_no].append(f"{part.line.title}×{part.quantity}（{shelf}）")
    refunds = list(Refund.objects.filter(payment__out_trade_no=order.order_id).order_by("pk"))
    names = display_names(refund.requested_by for refund in refunds)
    for refund in refunds:
        about = " ".join([refund.reason, *pieces[refund.out_refund_no], "·", names[refund.requested_by]])
        link, amount = page_link(refund, refund.out_refund_no), f"-{yuan_text(fen_to_yuan(refund.amount_fen))}"
        yield Money(link, refund.get_state_display(), amount, about, refund.trouble)


def _arrow(log: OrderLog) -> str:
    if not log.from_state or log.from_state == log.to_state:
        return "" if log.from_state else State(log.to_state).label
    return f"{State(log.from_state).label} → {State(log.to_state).label}"
