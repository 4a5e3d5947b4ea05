"""What is shown of orders: the cells of lists, and the page of one, which starts at ``order_page()``."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.decorators import display

from accounts.selectors import actor_names, display_names
from core import times
from core.admin.phones import are_phones_whole, phone_shown, phones_masked
from core.admin.tables import LogLine, column, may_open, page_link
from core.money import fen_to_yuan, yuan_text
from core.times import format_office_time
from payments.admin.money import failure_text
from payments.models import Difference, ListenerFailure, Payment, Refund, RefundStatus
from payments.selectors import RefundsOfPayment, differences_of, listener_failures_of
from shop.models import LineRefund, Order, OrderLog
from shop.models.courier import courier_of, parcel_page
from shop.models.order import REMARK_LENGTH, logged
from shop.order_states import ASIDE, ASKED, Event, Note, ReturnStep, State

# --- Lists ---
LATE_DAYS = 2
COLOURS = {
    **dict.fromkeys((State.OPEN.label, State.REFUNDING.label, ReturnStep.AGREED.label), "warning"),
    **dict.fromkeys((State.PAID.label, State.PREPARING.label, State.SHIPPED.label), "info"),
    **dict.fromkeys((State.REFUND_FAILED.label, ReturnStep.RECEIVED.label, *(one.label for one in ASKED)), "danger"),
    State.RECEIVED.label: "success",
}


def _html(name: str, order: Order, **context: Any) -> SafeString:
    return render_to_string(f"shop/cells/{name}.html", {"order": order, **context})


class OrderCells:
    """The columns of a list, each a method of its name. Another table is asked once, when a first cell wants to know.

    :param orders: those of the page.
    """

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self.orders = orders

    def columns(self, names: Iterable[str]) -> list[Any]:
        """Return the methods of these names; other names, which are fields of the order, as they are."""
        return [getattr(self, name, name) for name in names]

    # --- What other tables tell, by the number of the order ---
    @property
    def _numbers(self) -> list[str]:
        return [order.order_id for order in self.orders]

    @cached_property
    def refunds(self) -> dict[str, list[Refund]]:
        refunds = Refund.objects.filter(payment__out_trade_no__in=self._numbers).select_related("payment")
        return _grouped(refunds.order_by("pk"), "payment.out_trade_no")

    @cached_property
    def differences(self) -> dict[str, list[Difference]]:
        return _grouped(differences_of(self._numbers), "out_trade_no")

    @cached_property
    def failures(self) -> dict[str, list[ListenerFailure]]:
        return _grouped(listener_failures_of(self._numbers), "out_trade_no")

    @cached_property
    def unbooked(self) -> dict[str, Payment]:
        """The payments of those orders that have not booked what was paid or refunded."""
        return Payment.objects.in_bulk(list(self.failures), field_name="out_trade_no")

    @cached_property
    def requests(self) -> dict[int, OrderLog]:
        """The newest requests to return, by the key of the order."""
        logs = OrderLog.objects.filter(logged(Event.ASK_RETURN), order__in=[order.pk for order in self.orders])
        return {log.order_id: log for log in logs.order_by("pk")}

    def reason(self, order: Order) -> str:
        """Return why the buyer wants to give the order back. Orders from the old server have only a note."""
        request = self.requests.get(order.pk)
        return (request.detail if request else order.note) or "没有写明"

    def refund(self, order: Order) -> Refund | None:
        """Return the refund that staff must tend, else the newest one under way, else the newest."""
        refunds = self.refunds.get(order.order_id)
        if not refunds:
            return None
        under_way = [refund for refund in refunds if refund.next_try_at]
        sums = RefundsOfPayment(refunds[0].payment.amount_fen, tuple(refunds))
        return sums.to_tend or [*refunds, *under_way][-1]

    def is_by_hand(self, order: Order) -> bool:
        """Tell whether submitting the refund again cannot help: staff then end it on the refund's page."""
        refund = self.refund(order)
        return refund is not None and refund.state in (RefundStatus.ABNORMAL, RefundStatus.OWED)

    def way_out(self, order: Order) -> SafeString | str:
        """Link to the page of a refund that staff must tend, "" for a user who may not open it."""
        refund = self.refund(order) if order.has_failed_refund and may_open(Refund) else None
        return page_link(refund, "处理这笔退款") if refund else ""

    # --- The columns ---
    state_label = column("状态", attrgetter("state_label"), label=COLOURS)
    created_at = column(
        "下单时间", lambda order: f"{times.local(order.created_at):%Y-%m-%d %H:%M}", ordering="created_at"
    )
    amount = column("金额（元）", lambda order: yuan_text(order.total), ordering="total")
    goods = column("商品", lambda order: _html("goods", order))
    receiver = column("收件人", lambda order: _html("receiver", order, phone=phone_shown(order)))
    receiver_name = column("收件人", attrgetter("receiver_name"))
    return_parcel = column("寄回单号", lambda order: f"{courier_of(order.return_no)} {order.return_no}".strip())
    flag = column("关注", lambda order: _html("flag", order))
    since_paid = column("已付款", lambda order: _age(order.paid_at))

    @display(description="已申请")
    def since_asked(self, order: Order) -> SafeString | str:
        return _age(request.at if (request := self.requests.get(order.pk)) else None)

    @display(description="理由")
    def why(self, order: Order) -> SafeString:
        return format_html('<div class="od-text">{}</div>', self.reason(order))

    @display(description="收到的退货")
    def came_back(self, order: Order) -> str:
        lines = [line for line in order.lines.all() if line.received_quantity]
        goods = [f"{line.title}×{line.received_quantity}（放回货架 {line.shelved_quantity}）" for line in lines]
        return "、".join(goods) or "还没有收到，库存没有变"

    @display(description="问题")
    def trouble(self, order: Order) -> SafeString:
        """Say all that is wrong with the order, with links to where it is put right."""
        troubles: list[tuple[str, SafeString | str]] = []
        if order.has_failed_refund:
            refund = self.refund(order)
            troubles.append(("退款异常", page_link(refund, refund.trouble or refund) if refund else ""))
        for difference in self.differences.get(order.order_id, ()):
            text = f"{difference.day} {difference.get_kind_display()}"
            troubles.append(("对账差异", page_link(difference, text)))
        for failure in self.failures.get(order.order_id, ()):
            payment, text = self.unbooked.get(order.order_id), failure_text(failure)
            troubles.append(("款项未入账", page_link(payment, text) if payment else text))
        return _html("trouble", order, troubles=troubles)

    @display(description="退款进度")
    def refund_progress(self, order: Order) -> SafeString | str:
        if (refund := self.refund(order)) is None:
            return ""
        facts = {"refund": refund, "link": page_link(refund, refund.out_refund_no), "way_out": self.way_out(order)}
        return _html("refund", order, **facts, age=timesince(refund.created_at, depth=1))


def _age(since: datetime | None) -> SafeString | str:
    if since is None:
        return ""
    is_late = (times.now() - since).days >= LATE_DAYS
    return format_html('<span class="{}">{}</span>', "od-late" if is_late else "", timesince(since, depth=1))


def _grouped(rows: Iterable[Any], number: str) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        groups[attrgetter(number)(row)].append(row)
    return dict(groups)


# --- The page of an order ---
def order_page(order: Order, cells: OrderCells) -> dict[str, Any]:
    """Return what the template calls ``page``."""
    logs = list(order.logs.order_by("-pk"))
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


def last_step(order: Order, note: Note | None = None) -> str:
    """Say who did the latest step, which and when; notes and messages are none. Return "" if the log is empty.

    :param note: tell of the latest note of this kind instead, if there is one.
    """
    logs = order.logs.order_by("-pk")
    log = (note and logs.filter(logged(note)).first()) or logs.exclude(logged(*ASIDE)).first()
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
