"""Parts of the order page and of its lists: goods, money and log, what staff tell each other, and what is wrong."""

from collections import defaultdict
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.selectors import actor_names, display_names
from core.admin.phones import are_phones_whole, phones_masked
from core.admin.tables import LogLine, page_link, table, timeline
from core.money import fen_to_yuan, yuan_text
from core.times import format_office_time
from payments.models import Payment, Refund
from shop.models import LineRefund, Order
from shop.models.order import REMARK_LENGTH, logged
from shop.states import ASIDE, ASKED, Event, Note, State

_STOCK_COLUMNS = ("商品", "商品编号", "单价（元）", "数量", "小计（元）", "已退款件数", "收到退货", "放回货架")


def asked_reason(order: Order) -> str:
    """Return the buyer's reason for a return. The order's note says it until staff have agreed."""
    request = order.logs.filter(logged(Event.ASK_RETURN)).order_by("-pk").first() if order.return_step else None
    return (request.detail if request else order.note) or "没有写明"


def head_of(order: Order) -> dict[str, Any]:
    """Return what stands above the order page: the return to decide about, the flag, and the remarks, newest first."""
    logs = list(order.logs.filter(logged(Note.REMARK, Event.ASK_RETURN)).order_by("-pk"))
    names = actor_names(logs)
    lines = {log: LogLine(log.at, names[log.pk], log.label, detail=log.detail) for log in logs}
    request = next((line for log, line in lines.items() if log.tells_of(Event.ASK_RETURN)), None)
    return {
        "asked": request if order.state in ASKED else None,
        "remarks": [line for log, line in lines.items() if log.tells_of(Note.REMARK)],
        "flagged_by": display_names([order.flagged_by])[order.flagged_by],
        "max_length": REMARK_LENGTH,
    }


def flag_text(order: Order) -> SafeString | str:
    if order.flagged_at is None:
        return ""
    title = f"{order.flagged_by} {format_office_time(order.flagged_at)}"
    return format_html('<div class="od-text od-flag" title="{}"><b>需关注</b> {}</div>', title, order.flag_reason)


class OrderParts:
    """The read-only fields of the order page that show what belongs to the order."""

    @display(description="商品")
    def lines(self, order: Order) -> SafeString:
        rows = [
            (
                line.title,
                line.product_code,
                yuan_text(line.price),
                line.quantity,
                yuan_text(line.amount),
                line.returned,
                line.received_quantity,
                line.shelved_quantity + line.restocked_quantity,
            )
            for line in order.lines.all()
        ]
        return table(_STOCK_COLUMNS, rows)

    @display(description="支付记录")
    def payments(self, order: Order) -> SafeString:
        rows = [
            (
                page_link(payment, payment.transaction_id or payment.out_trade_no),
                payment.get_state_display(),
                yuan_text(fen_to_yuan(payment.amount_fen)),
                payment.get_trade_type_display(),
                format_office_time(payment.paid_at),
            )
            for payment in Payment.objects.filter(out_trade_no=order.order_id)
        ]
        return table(("单号", "状态", "金额（元）", "方式", "支付时间"), rows)

    @display(description="退款记录")
    def refunds(self, order: Order) -> SafeString:
        pieces: dict[str, list[str]] = defaultdict(list)
        for part in LineRefund.objects.filter(line__order=order).select_related("line"):
            pieces[part.out_refund_no].append(
                f"{part.line.title}×{part.quantity}（{'放回货架' if part.is_restocked else '退款时没有放回'}）"
            )
        refunds = list(Refund.objects.filter(payment__out_trade_no=order.order_id).order_by("pk"))
        names = display_names(refund.requested_by for refund in refunds)
        rows = [
            (
                page_link(refund, refund.out_refund_no),
                refund.get_state_display(),
                yuan_text(fen_to_yuan(refund.amount_fen)),
                " ".join([refund.reason, *pieces[refund.out_refund_no]]),
                names[refund.requested_by],
                refund.attempts,
                refund.trouble,
            )
            for refund in refunds
        ]
        return table(("退款单号", "状态", "金额（元）", "原因", "申请人", "提交次数", "说明"), rows)

    @display(description="订单日志")
    def timeline(self, order: Order) -> SafeString:
        """Return the log of the order as HTML: who did what, from which state to which, newest first."""
        logs = list(order.logs.order_by("-pk"))
        names = actor_names(logs)
        hides_phones = not are_phones_whole(order)
        return timeline(
            LogLine(
                log.at,
                names[log.pk],
                log.label,
                _arrow(log.from_state, log.to_state),
                phones_masked(log.detail) if hides_phones and log.tells_of(Note.RECEIVER) else log.detail,
            )
            for log in logs
        )


def last_step(order: Order) -> str:
    """Say who did the latest step, which and when; notes and messages are none. Return "" if the log is empty."""
    log = order.logs.exclude(logged(*ASIDE)).order_by("-pk").first()
    return f"{actor_names([log])[log.pk]} 于 {format_office_time(log.at)} {log.label}" if log else ""


def _arrow(before: str, after: str) -> str:
    if not before or before == after:
        return State(after).label if not before else ""
    return f"{State(before).label} → {State(after).label}"
