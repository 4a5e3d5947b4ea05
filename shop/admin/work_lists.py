"""The work lists: orders that wait for staff, the longest waiting first, with a button for each step."""

from collections import defaultdict
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Case, OuterRef, Q, QuerySet, Subquery, When
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.decorators import display

from core import times
from core.admin.buttons import PRESS
from core.admin.phones import phone_shown
from core.admin.tables import may_open, page_link
from core.money import yuan_text
from payments.admin.money import failure_text
from payments.models import Payment, Refund, RefundStatus
from payments.selectors import RefundsOfPayment, differences_of, listener_failures_of
from shop.admin.order_parts import asked_reason, flag_text
from shop.models import Order, OrderLog, PartRefund
from shop.models.courier import courier_of
from shop.models.order import logged
from shop.selectors import orders_in_trouble
from shop.states import ASKED, Event, State


class WorkList(NamedTuple):
    """The orders in ``states``, sorted by ``ordering``; ``columns`` show what staff must know to do the ``steps``."""

    label: str
    icon: str
    states: tuple[State, ...]
    steps: tuple[str, ...]  # names of the buttons, the usual one first
    columns: tuple[str, ...]
    ordering: tuple[Any, ...]
    others: Q = Q()  # orders in other states that belong to it as well

    @property
    def rows(self) -> Q:
        return Q(state__in=self.states) | self.others if self.states else self.others


PARAMETER = "work"
PACKING = "packing"  # not a step of an order: this button prints the packing list
_ASKED = OrderLog.objects.filter(logged(Event.ASK_RETURN), order=OuterRef("pk")).order_by("-pk")
ASKED_AT = Subquery(_ASKED.values("at")[:1])
WORK_LISTS: dict[str, WorkList] = {
    "ship": WorkList(
        "待发货",
        "local_shipping",
        (State.PAID, State.PREPARING),
        ("ship", "prepare", PACKING),
        ("order_id", "goods", "receiver", "since_paid", "state_label", "flag"),
        ("paid_at", "pk"),
    ),
    "returns": WorkList(
        "待处理退货",
        "assignment_return",
        ASKED,
        ("agree", "arrived", "approve", "approve_now", "reject", "return_number"),
        ("order_id", "goods", "receiver", "amount", "why", "since_asked", "state_label", "return_parcel", "flag"),
        (ASKED_AT, "pk"),
    ),
    "refunds": WorkList(
        "退款处理",
        "currency_exchange",
        (State.REFUND_FAILED, State.REFUNDING),
        ("refund_again",),
        ("order_id", "receiver", "amount", "state_label", "refund_progress", "flag"),
        (Case(When(Q(state=State.REFUND_FAILED) | Q(part_refund=PartRefund.STUCK), then=0), default=1), "pk"),
        ~Q(part_refund=PartRefund.NONE),
    ),
    "trouble": WorkList(
        "异常",
        "report",
        (),
        ("unflag",),
        ("order_id", "goods", "receiver", "amount", "state_label", "trouble"),
        ("pk",),
        Q(pk__in=orders_in_trouble()),
    ),
}
LATE_DAYS = 2


def work_list_of(request: HttpRequest) -> WorkList | None:
    return WORK_LISTS.get(request.GET.get(PARAMETER, ""))


class WorkListFilter(admin.SimpleListFilter):
    title, parameter_name = "工作清单", PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, work.label) for name, work in WORK_LISTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        work = WORK_LISTS.get(self.value() or "")
        return queryset.filter(work.rows) if work else queryset


def work_list_rows(orders: QuerySet[Order], work: WorkList) -> QuerySet[Order]:
    """Load with ``orders`` what the columns of ``work`` show."""
    if "goods" in work.columns:
        orders = orders.prefetch_related("lines")
    if "since_asked" in work.columns:
        orders = orders.annotate(asked_at=ASKED_AT, asked_why=Subquery(_ASKED.values("detail")[:1]))
    return orders


def attach_refunds(orders: list[Any]) -> None:
    """Set ``refund`` on each order to the one that staff must tend, else its newest one under way, else its newest.

    One query for all. A payment has the number of its order.
    """
    refunds = Refund.objects.filter(payment__out_trade_no__in=[order.order_id for order in orders])
    by_number: dict[str, list[Refund]] = defaultdict(list)
    for refund in refunds.select_related("payment").order_by("pk"):
        by_number[refund.payment.out_trade_no].append(refund)
    for order in orders:
        mine = by_number[order.order_id]
        sums = RefundsOfPayment(mine[0].payment.amount_fen, tuple(mine)) if mine else None
        under_way = [refund for refund in mine if refund.next_try_at]
        order.refund = sums and (sums.to_tend or [*mine, *under_way][-1])


def attach_differences(orders: list[Any]) -> None:
    """Set on each order its open differences with the provider's bills, and the money that it could not take.

    One query each, for all orders.
    """
    numbers = [order.order_id for order in orders]
    differences, failures = list(differences_of(numbers)), list(listener_failures_of(numbers))
    for order in orders:
        order.differences = [row for row in differences if row.out_trade_no == order.order_id]
        order.untold = [row for row in failures if row.out_trade_no == order.order_id]


def is_by_hand(order: Any) -> bool:
    """Tell whether submitting the order's refund again cannot help: staff then choose a way on the refund's page."""
    refund = getattr(order, "refund", None)
    return refund is not None and refund.state in (RefundStatus.ABNORMAL, RefundStatus.OWED)


def step_buttons(order: Order, steps: list[tuple[str, str]]) -> SafeString | str:
    """Return the buttons of one row of the list. ``steps`` are their names and labels."""
    buttons = [
        ("" if at else " is-main", _TARGET if name == PACKING else "", PRESS, name, order.pk, label, order, label)
        for at, (name, label) in enumerate(steps)
    ]
    form = '<button type="submit" class="tr-button{}"{} name="{}" value="{}:{}" aria-label="{} {}">{}</button>'
    if not buttons:
        return ""
    usual, others = (format_html_join("", form, part) for part in (buttons[:1], buttons[1:]))
    more = format_html(_MORE, order, others) if others else ""
    return format_html('<span class="od-steps">{}{}</span>', usual, more)


class WorkListColumns:
    """The columns that work lists have beside those of the list of all orders."""

    @display(description="金额（元）", ordering="total")
    def amount(self, order: Order) -> str:
        return yuan_text(order.total)

    @display(description="已退款（元）", ordering="refunded")
    def returned(self, order: Order) -> str:
        return yuan_text(order.refunded)

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
    def since_asked(self, order: Any) -> SafeString | str:
        return _age(order.asked_at)

    @display(description="理由")
    def why(self, order: Any) -> SafeString:
        reason = order.asked_why or "没有写明" if hasattr(order, "asked_why") else asked_reason(order)
        return format_html('<div class="od-text">{}</div>', reason)

    @display(description="寄回单号")
    def return_parcel(self, order: Order) -> str:
        return " ".join(filter(None, [courier_of(order.return_no), order.return_no]))

    @display(description="收到的退货")
    def came_back(self, order: Order) -> str:
        lines = [line for line in order.lines.all() if line.received_quantity]
        return (
            "、".join(f"{line.title}×{line.received_quantity}（放回货架 {line.shelved_quantity}）" for line in lines)
            or "还没有收到，库存没有变"
        )

    @display(description="关注")
    def flag(self, order: Order) -> SafeString | str:
        return flag_text(order)

    @display(description="问题")
    def trouble(self, order: Any) -> SafeString:
        """Say all that is wrong with the order, with links to where it is put right."""
        parts: list[tuple[str, SafeString | str]] = []
        if order.state == State.REFUND_FAILED or order.part_refund == PartRefund.STUCK:
            refund = getattr(order, "refund", None)
            parts.append(("退款异常", page_link(refund, refund.trouble or refund.out_refund_no) if refund else ""))
        for difference in getattr(order, "differences", ()):
            text = f"{difference.day} {difference.get_kind_display()}"
            parts.append(("对账差异", page_link(difference, text)))
        for failure in getattr(order, "untold", ()):
            payment = Payment.objects.filter(out_trade_no=order.order_id).first()
            text = failure_text(failure)
            parts.append(("款项未入账", page_link(payment, text) if payment else text))
        lines = format_html_join("", '<div class="od-text"><b>{}</b> {}</div>', parts)
        return format_html("{}{}", flag_text(order), lines)

    @display(description="退款进度")
    def refund_progress(self, order: Any) -> SafeString | str:
        refund = getattr(order, "refund", None)
        if refund is None:
            return ""
        waits = f"{_age_text(refund.created_at)}前申请，等待微信支付" if refund.next_try_at else ""
        return format_html(
            '<div class="od-text">{} <b>{}</b>，已提交 {} 次<br>{}<br>{}</div>',
            page_link(refund, refund.out_refund_no),
            refund.get_state_display(),
            refund.attempts,
            refund.trouble or waits,
            way_out(order),
        )


def way_out(order: Any) -> SafeString | str:
    """Return the link to the refund's own page where no button of an order helps, "" for a user who may not open it.

    It needs ``attach_refunds``.
    """
    if not may_open(Refund):
        return ""
    if is_by_hand(order):
        return page_link(order.refund, "选择怎样退款")
    return page_link(order.refund, "处理这笔部分退款") if order.part_refund == PartRefund.STUCK else ""


def _age(since: datetime | None) -> SafeString | str:
    if since is None:
        return ""
    is_late = (times.now() - since).days >= LATE_DAYS
    return format_html('<span class="{}">{}</span>', "od-late" if is_late else "", _age_text(since))


def _age_text(since: datetime) -> str:
    return timesince(since, depth=1)


_MORE = '<details><summary class="tr-button" aria-label="{} 的其他操作">⋯</summary>{}</details>'
_TARGET = format_html(' formtarget="{}"', "_blank")
