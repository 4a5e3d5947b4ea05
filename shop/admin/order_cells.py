"""The cells of lists of orders."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.decorators import display

from core import times
from core.admin.buttons import PRESS
from core.admin.phones import phone_shown
from core.admin.tables import page_link
from core.money import yuan_text
from core.times import format_office_time
from payments.admin.money import failure_text
from shop.admin.order_related import Related
from shop.admin.order_steps import PACKING, step_names
from shop.models import Order, PartRefund
from shop.models.courier import courier_of
from shop.order_states import ASKED, ReturnStep, State

LATE_DAYS = 2
COLOURS = {
    **dict.fromkeys((State.OPEN.label, State.REFUNDING.label), "warning"),
    **dict.fromkeys((State.PAID.label, State.PREPARING.label, State.SHIPPED.label), "info"),
    **dict.fromkeys((State.REFUND_FAILED.label, *(state.label for state in ASKED)), "danger"),
    ReturnStep.AGREED.label: "warning",
    ReturnStep.RECEIVED.label: "danger",
    State.RECEIVED.label: "success",
}


class OrderCells(Related):
    """The columns of a list, each a method of its name.

    :param buttons: name and label of the buttons that the rows of a work list offer.
    """

    def __init__(self, orders: Iterable[Order] = (), buttons: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(orders)
        self.buttons = buttons

    def columns(self, names: Iterable[str]) -> list[Any]:
        """Return the methods of these names; other names, which are fields of the order, as they are."""
        return [getattr(self, name, name) for name in names]

    @display(description="操作")
    def steps(self, order: Order) -> SafeString | str:
        names = {PACKING, *step_names(order, self)}
        steps = [(name, label) for name, label in self.buttons if name in names]
        context = {"order": order, "steps": steps, "packing": PACKING, "press": PRESS}
        return render_to_string("shop/steps.html", context) if steps else ""

    @display(description="状态", label=COLOURS)
    def state_label(self, order: Order) -> str:
        return order.state_label

    @display(description="下单时间", ordering="created_at")
    def created_at(self, order: Order) -> str:
        return f"{times.local(order.created_at):%Y-%m-%d %H:%M}"

    @display(description="金额（元）", ordering="total")
    def amount(self, order: Order) -> str:
        return yuan_text(order.total)

    @display(description="商品")
    def goods(self, order: Order) -> SafeString:
        lines = format_html_join(
            "",
            "<li>{} <b>× {}</b>{}</li>",
            (
                (line.title, line.left, f" （已退 {line.refunded_quantity}）" if line.refunded_quantity else "")
                for line in order.lines.all()
            ),
        )
        return format_html('<ul class="od-text od-goods">{}</ul>', lines)

    @display(description="收件人")
    def receiver(self, order: Order) -> SafeString:
        phone: SafeString | str = phone_shown(order) or "没有电话"
        if phone == order.phone:
            phone = format_html('<a href="tel:{}">{}</a>', phone, phone)
        address = order.address or "没有地址"
        return format_html('<div class="od-text"><b>{}</b> {}<br>{}</div>', order.receiver_name, phone, address)

    @display(description="收件人")
    def receiver_name(self, order: Order) -> str:
        return order.receiver_name

    @display(description="已付款")
    def since_paid(self, order: Order) -> SafeString | str:
        return _age(order.paid_at)

    @display(description="已申请")
    def since_asked(self, order: Order) -> SafeString | str:
        return _age(request.at if (request := self.requests.get(order.pk)) else None)

    @display(description="理由")
    def why(self, order: Order) -> SafeString:
        return format_html('<div class="od-text">{}</div>', self.reason(order))

    @display(description="寄回单号")
    def return_parcel(self, order: Order) -> str:
        return " ".join(filter(None, [courier_of(order.return_no), order.return_no]))

    @display(description="收到的退货")
    def came_back(self, order: Order) -> str:
        lines = [line for line in order.lines.all() if line.received_quantity]
        goods = [f"{line.title}×{line.received_quantity}（放回货架 {line.shelved_quantity}）" for line in lines]
        return "、".join(goods) or "还没有收到，库存没有变"

    @display(description="关注")
    def flag(self, order: Order) -> SafeString | str:
        if order.flagged_at is None:
            return ""
        title = f"{order.flagged_by} {format_office_time(order.flagged_at)}"
        return format_html('<div class="od-text od-flag" title="{}"><b>需关注</b> {}</div>', title, order.flag_reason)

    @display(description="问题")
    def trouble(self, order: Order) -> SafeString:
        """Say all that is wrong with the order, with links to where it is put right."""
        parts: list[tuple[str, SafeString | str]] = []
        if order.state == State.REFUND_FAILED or order.part_refund == PartRefund.STUCK:
            refund = self.refund(order)
            parts.append(("退款异常", page_link(refund, refund.trouble or refund.out_refund_no) if refund else ""))
        for difference in self.differences.get(order.order_id, ()):
            text = f"{difference.day} {difference.get_kind_display()}"
            parts.append(("对账差异", page_link(difference, text)))
        for failure in self.failures.get(order.order_id, ()):
            payment, text = self.unbooked.get(order.order_id), failure_text(failure)
            parts.append(("款项未入账", page_link(payment, text) if payment else text))
        lines = format_html_join("", '<div class="od-text"><b>{}</b> {}</div>', parts)
        return format_html("{}{}", self.flag(order), lines)

    @display(description="退款进度")
    def refund_progress(self, order: Order) -> SafeString | str:
        refund = self.refund(order)
        if refund is None:
            return ""
        waits = f"{_age_text(refund.created_at)}前申请，等待微信支付" if refund.next_try_at else ""
        return format_html(
            '<div class="od-text">{} <b>{}</b>，已提交 {} 次<br>{}<br>{}</div>',
            page_link(refund, refund.out_refund_no),
            refund.get_state_display(),
            refund.attempts,
            refund.trouble or waits,
            self.way_out(order),
        )


def _age(since: datetime | None) -> SafeString | str:
    if since is None:
        return ""
    is_late = (times.now() - since).days >= LATE_DAYS
    return format_html('<span class="{}">{}</span>', "od-late" if is_late else "", _age_text(since))


def _age_text(since: datetime) -> str:
    return timesince(since, depth=1)
