"""What the pages of payments, refunds, notifications and bills share."""

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.selectors import display_names
from core.admin.buttons import ButtonsAdmin
from core.admin.tables import LogLine, timeline
from core.money import fen_to_yuan, yuan_text
from core.times import format_office_time
from payments.listener import listener
from payments.models import InboundEvent, ListenerFailure, PaymentLog, PaymentStatus, Refund, RefundStatus

STATE_COLOURS = {
    PaymentStatus.OPEN.label: "warning",
    PaymentStatus.PAID.label: "success",
    PaymentStatus.STRAY.label: "danger",
    RefundStatus.PROCESSING.label: "info",
    RefundStatus.PENDING.label: "warning",
    RefundStatus.SUCCESS.label: "success",
    RefundStatus.ABNORMAL.label: "danger",
    RefundStatus.FAILED.label: "danger",
    RefundStatus.OWED.label: "danger",
    RefundStatus.OFFLINE.label: "success",
    InboundEvent.Verdict.ACCEPTED.label: "success",
    InboundEvent.Verdict.REFUSED.label: "danger",
    InboundEvent.Verdict.FAILED.label: "danger",
}


class MoneyAdmin(ButtonsAdmin):
    """Base of these pages, with the columns that several of them show. All fields are read-only."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Iterable[Any]:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    @display(description="金额（元）", ordering="amount_fen")
    def amount(self, row: Any) -> str:
        return yuan(row.amount_fen)

    @display(description="状态", label=STATE_COLOURS)
    def state_label(self, row: Any) -> str:
        return str(row.get_state_display())

    @display(description="订单")
    def what_for(self, row: Any) -> SafeString:
        """Return a line about the order, as a link to it: to the list of orders, searched by the order's number."""
        number = row.payment.out_trade_no if isinstance(row, Refund) else row.out_trade_no
        text, address = listener().order_line(number) or number, reverse("admin:shop_order_changelist")
        return format_html('<a class="text-link" href="{}?q={}">{}</a>', address, number, text)

    @display(description="资金日志")
    def log(self, row: Any) -> SafeString:
        lines = list(row.logs.order_by("-pk"))
        names = display_names(log.actor for log in lines)
        return timeline(LogLine(log.at, names[log.actor], log.event, _change(log), log.detail) for log in lines)


def section(title: str, *fields: Any, classes: Iterable[str] = ()) -> tuple[str, dict[str, Any]]:
    """Return a part of a page for ``fieldsets``; fields in a tuple stand side by side."""
    return title, {"fields": fields, "classes": classes}


def yuan(fen: int) -> str:
    return yuan_text(fen_to_yuan(fen))


def _change(log: PaymentLog) -> str:
    words = dict(RefundStatus.choices if log.refund_id else PaymentStatus.choices)
    states = dict.fromkeys(words.get(state, state) for state in (log.from_state, log.to_state) if state)
    return " → ".join(states)


def failure_text(failure: ListenerFailure) -> str:
    """Say to staff what the order could not take, since when, and what happens next."""
    what = f"退款单 {failure.out_refund_no}" if failure.out_refund_no else "这笔付款"
    after = "不再自动重试，请联系管理员" if failure.out_refund_no else "即将退回"
    then = f"{format_office_time(failure.next_try_at)} 再试" if failure.next_try_at else after
    tries = f"{format_office_time(failure.failed_at)} 起，已试 {failure.attempts} 次，{then}"
    return f"{what}已收到，订单没有记上（{tries}）：{failure.error}"
