"""The parts of the order page that are not fields: goods, payments, refunds and log."""

from collections import defaultdict

from django.utils.safestring import SafeString

from accounts.selectors import display_names
from core.admin.phones import are_phones_whole, phones_masked
from core.admin.tables import LogLine, page_link, table, timeline
from core.money import fen_to_yuan
from core.times import format_office_time
from payments.models import Payment, Refund
from shop.models import LineRefund, Order
from shop.services.order_ship import RECEIVER_CHANGED
from shop.states import State


def lines_table(order: Order) -> SafeString:
    rows = [
        (
            line.title,
            line.product_code,
            f"{line.price:.2f}",
            line.quantity,
            f"{line.amount:.2f}",
            line.refunded_quantity,
        )
        for line in order.lines.all()
    ]
    return table(("商品", "商品编号", "单价（元）", "数量", "小计（元）", "已退件数"), rows)


def payments_table(order: Order) -> SafeString:
    rows = [
        (
            page_link(payment, payment.transaction_id or payment.out_trade_no),
            payment.get_state_display(),
            f"{fen_to_yuan(payment.amount_fen):.2f}",
            payment.get_trade_type_display(),
            format_office_time(payment.paid_at),
        )
        for payment in Payment.objects.filter(out_trade_no=order.order_id)
    ]
    return table(("单号", "状态", "金额（元）", "方式", "支付时间"), rows)


def refunds_table(order: Order) -> SafeString:
    pieces: dict[str, list[str]] = defaultdict(list)
    for part in LineRefund.objects.filter(line__order=order).select_related("line"):
        pieces[part.out_refund_no].append(
            f"{part.line.title}×{part.quantity}（{'放回货架' if part.is_restocked else '不放回'}）"
        )
    refunds = list(Refund.objects.filter(payment__out_trade_no=order.order_id).order_by("pk"))
    names = display_names(refund.requested_by for refund in refunds)
    rows = [
        (
            page_link(refund, refund.out_refund_no),
            refund.get_state_display(),
            f"{fen_to_yuan(refund.amount_fen):.2f}",
            " ".join([refund.reason, *pieces[refund.out_refund_no]]),
            names[refund.requested_by],
            refund.attempts,
            refund.trouble,
        )
        for refund in refunds
    ]
    return table(("退款单号", "状态", "金额（元）", "原因", "申请人", "提交次数", "说明"), rows)


def log_timeline(order: Order) -> SafeString:
    """Return the log of the order as HTML: who did what, from which state to which, newest first."""
    logs = list(order.logs.order_by("-pk"))
    names = display_names(log.actor for log in logs)
    is_whole = are_phones_whole(order)
    return timeline(
        LogLine(
            log.at,
            names[log.actor],
            log.event,
            _arrow(log.from_state, log.to_state),
            log.detail if is_whole or log.event != RECEIVER_CHANGED else phones_masked(log.detail),
        )
        for log in logs
    )


def last_step(order: Order) -> str:
    """Say who did the latest step, which and when. Return "" if the log is empty."""
    log = order.logs.order_by("-pk").first()
    return f"{display_names([log.actor])[log.actor]} 于 {format_office_time(log.at)} {log.event}" if log else ""


def _arrow(before: str, after: str) -> str:
    if not before or before == after:
        return State(after).label if not before else ""
    return f"{State(before).label} → {State(after).label}"
