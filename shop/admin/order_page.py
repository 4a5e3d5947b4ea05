"""What the page of an order shows beside the order's own row: start at ``order_page()``."""

from collections import defaultdict
from typing import Any

from accounts.selectors import actor_names, display_names
from core.admin.phones import are_phones_whole, phone_shown, phones_masked
from core.admin.tables import LogLine, page_link
from core.money import fen_to_yuan
from core.times import format_office_time
from payments.models import Payment
from shop.admin.order_cells import COLOURS, OrderCells
from shop.models import LineRefund, Order, OrderLog
from shop.models.courier import courier_of, parcel_page
from shop.models.order import REMARK_LENGTH, logged
from shop.order_states import ASIDE, ASKED, Event, Note, State


def order_page(order: Order) -> dict[str, Any]:
    """Return what the template calls ``page``."""
    logs, cells = list(order.logs.order_by("-pk")), OrderCells([order])
    names = actor_names(logs)
    lines = {log: LogLine(log.at, names[log.pk], log.label, _arrow(log), _detail(log, order)) for log in logs}
    request = next((line for log, line in lines.items() if log.tells_of(Event.ASK_RETURN)), None)
    refund = cells.refund(order) if order.has_failed_refund else None
    return {
        "colour": COLOURS.get(order.state_label, ""),
        "buyer": page_link(order.user, order.username) if order.user else order.username,
        "phone": phone_shown(order),
        # Newest first, each with whether it is a remark.
        "log": [(line, log.tells_of(Note.REMARK)) for log, line in lines.items()],
        "asked": request if order.state in ASKED else None,
        "money": _money(order, cells),
        "trouble": refund.trouble if refund else "",
        "way_out": cells.way_out(order),
        "flagged_by": display_names([order.flagged_by])[order.flagged_by],
        "parcel_page": parcel_page(order.express_company, order.express_no),
        "return_courier": courier_of(order.return_no),
        "max_remark": REMARK_LENGTH,
    }


def last_step(order: Order) -> str:
    """Say who did the latest step, which and when; notes and messages are none. Return "" if the log is empty."""
    log = order.logs.exclude(logged(*ASIDE)).order_by("-pk").first()
    return f"{actor_names([log])[log.pk]} 于 {format_office_time(log.at)} {log.label}" if log else ""


def _arrow(log: OrderLog) -> str:
    if not log.from_state or log.from_state == log.to_state:
        return "" if log.from_state else State(log.to_state).label
    return f"{State(log.from_state).label} → {State(log.to_state).label}"


def _detail(log: OrderLog, order: Order) -> str:
    return phones_masked(log.detail) if log.tells_of(Note.RECEIVER) and not are_phones_whole(order) else log.detail


def _money(order: Order, cells: OrderCells) -> list[dict[str, Any]]:
    """Return the payments of the order and its refunds, each with a link to its page."""
    pieces: dict[str, list[str]] = defaultdict(list)
    for part in LineRefund.objects.filter(line__order=order).select_related("line"):
        shelf = "放回货架" if part.is_restocked else "退款时没有放回"
        pieces[part.out_refund_no].append(f"{part.line.title}×{part.quantity}（{shelf}）")
    refunds = cells.refunds.get(order.order_id, [])
    names = display_names(refund.requested_by for refund in refunds)
    rows: list[dict[str, Any]] = []
    for payment in Payment.objects.filter(out_trade_no=order.order_id):
        link = page_link(payment, payment.transaction_id or payment.out_trade_no)
        about = " ".join(filter(None, [payment.get_trade_type_display(), format_office_time(payment.paid_at)]))
        rows.append({"row": payment, "link": link, "yuan": fen_to_yuan(payment.amount_fen), "about": about})
    for refund in refunds:
        about = " ".join([refund.reason, *pieces[refund.out_refund_no], "·", names[refund.requested_by]])
        link = page_link(refund, refund.out_refund_no)
        rows.append({"row": refund, "link": link, "yuan": -fen_to_yuan(refund.amount_fen), "about": about})
    return rows
