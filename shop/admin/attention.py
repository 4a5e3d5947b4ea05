"""What staff tell each other about an order: remarks, the flag 需关注, and what is wrong with an order."""

from collections import defaultdict
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.selectors import display_names
from core.admin.buttons import ButtonForm
from core.admin.tables import LogLine, page_link
from core.times import format_office_time
from payments.admin.shared import failure_text
from payments.models import Difference, ListenerFailure, Payment
from payments.selectors import differences_of, listener_failures_of
from shop.models import Order, PartRefund
from shop.models.order import REMARK_LENGTH
from shop.services.order_attention import REMARK, flag_mark
from shop.states import Event, State

ASKED = (State.RETURN_ASKED, State.RETURN_ASKED_LATER)


class RemarkForm(ButtonForm):
    text = forms.CharField(
        label="内部备注", max_length=REMARK_LENGTH, widget=forms.Textarea({"rows": 2, "maxlength": REMARK_LENGTH})
    )


class UnflagForm(ButtonForm):
    """Carries which flag the person has read; see ``order_unflag``."""

    seen = forms.CharField(required=False)
    in_table = ("seen",)

    def __init__(self, data: Any, *, rows: list[Order], request: HttpRequest) -> None:
        super().__init__(data, rows=rows, request=request)
        self.mark = flag_mark(rows[0])

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        seen = format_html('<input type="hidden" name="seen" value="{}">', self.mark)
        return super().table(titles, cells) + seen


def head_of(order: Order) -> dict[str, Any]:
    """Return what stands above the order page: the return to decide about, the flag, and the remarks, newest first."""
    logs = list(order.logs.filter(event__in=[REMARK, Event.ASK_RETURN.label]).order_by("-pk"))
    names = display_names([*(log.actor for log in logs), order.flagged_by])
    lines = [LogLine(log.at, names[log.actor], log.event, detail=log.detail) for log in logs]
    asked = next((line for line in lines if line.event == Event.ASK_RETURN.label), None)
    return {
        "asked": asked if order.state in ASKED else None,
        "remarks": [line for line in lines if line.event == REMARK],
        "flagged_by": names[order.flagged_by],
        "longest": REMARK_LENGTH,
    }


def attach_differences(orders: list[Any]) -> None:
    """Set on each order its open differences with the provider's bills, and the money that it could not take.

    One query each, for all orders.
    """
    found: dict[str, list[Difference]] = defaultdict(list)
    for difference in differences_of([order.order_id for order in orders]):
        found[difference.out_trade_no].append(difference)
    untold: dict[str, list[ListenerFailure]] = defaultdict(list)
    for failure in listener_failures_of([order.order_id for order in orders]):
        untold[failure.out_trade_no].append(failure)
    for order in orders:
        order.differences, order.untold = found[order.order_id], untold[order.order_id]


def flag_text(order: Order) -> SafeString | str:
    if order.flagged_at is None:
        return ""
    title = f"{order.flagged_by} {format_office_time(order.flagged_at)}"
    return format_html('<div class="od-text od-flag" title="{}"><b>需关注</b> {}</div>', title, order.flag_reason)


def trouble_text(order: Any, refund_link: SafeString | str) -> SafeString:
    """Say all that is wrong with an order of the list 异常, with links to where it is put right."""
    parts = [flag_text(order)]
    if order.state == State.REFUND_FAILED or order.part_refund == PartRefund.STUCK:
        parts.append(format_html('<div class="od-text"><b>退款异常</b> {}</div>', refund_link))
    for difference in getattr(order, "differences", ()):
        link = page_link(difference, f"{difference.day} {difference.get_kind_display()}")
        parts.append(format_html('<div class="od-text"><b>对账差异</b> {}</div>', link))
    for failure in getattr(order, "untold", ()):
        payment = Payment.objects.filter(out_trade_no=order.order_id).first()
        text = failure_text(failure)
        link = page_link(payment, text) if payment else format_html("{}", text)
        parts.append(format_html('<div class="od-text"><b>款项未入账</b> {}</div>', link))
    return format_html_join("", "{}", ((part,) for part in parts if part))
