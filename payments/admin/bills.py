"""The daily comparison with WeChat Pay's bill: what was compared, what differs, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import ChoiceFilter
from core.admin.buttons import Button, Look, Press
from core.admin.tables import choice_column, column, page_link
from core.money import fen_text
from core.queues import task_send
from core.times import local
from payments.admin.money import MoneyAdmin, section, yuan_column
from payments.errors import BillTooOld, RefundNotPossible
from payments.gateways.wechat import gateway_v3, merchant_of
from payments.listener import listener
from payments.models import BillRun, Difference, DifferenceKind, Payment, PaymentStatus
from payments.services.bills import KEPT
from payments.services.differences import (
    difference_accept,
    difference_add_refund,
    difference_ask,
    difference_return,
    ours_of,
)

Ending = Difference.Ending
PAYERS_NAMED = 3  # in the question before money goes back
HAS_DIFFERENCES = "已核对，有差异"
_RUN_COLOURS = {
    BillRun.State.DONE.label: "success",
    HAS_DIFFERENCES: "warning",
    BillRun.State.RUNNING.label: "info",
    BillRun.State.WAITING.label: "warning",
    BillRun.State.FAILED.label: "danger",
}
_ENDING_COLOURS = {Ending.OPEN.label: "danger", Ending.GONE.label: "success", Ending.ACCEPTED.label: "info"}


def _again(press: Press) -> str:
    run = press.row
    if local(press.now).date() - run.day > KEPT:
        raise BillTooOld
    gateway_v3(merchant_of("", run.mch_id))  # refuses a merchant whose keys we do not have any more
    # If the broker is down no task is sent; the hourly comparison then finds the day, because it is not DONE.
    BillRun.objects.filter(pk=run.pk).update(state=BillRun.State.RUNNING)
    task_send("payments.reconcile_bill", run.day.isoformat())
    return "结果稍后在本页显示"


@admin.register(BillRun)
class BillRunAdmin(MoneyAdmin):
    rights: ClassVar = {"view": "查看", "change": "重新核对"}
    list_display = ("day", "mch_id", "state_label", "rows", "paid", "refunded", "fee", "found", "ran_at")
    list_filter = ("state", "day")
    ordering = ("-day", "mch_id")
    fieldsets = (
        section("对账", ("day", "mch_id"), ("state_label", "ran_at"), "found", "last_error"),
        section("账单", ("rows", "foreign_rows"), ("paid", "refunded"), ("fee", "fee_rates"), "sha1"),
    )
    buttons = (Button("again", "重新核对", _again, is_request=True),)
    paid = yuan_column("paid_fen", "收款（元）")
    refunded = yuan_column("refunded_fen", "退款（元）")
    fee = yuan_column("fee_fen", "手续费（元）")

    @display(description="结果", label=_RUN_COLOURS)
    def state_label(self, run: Any) -> str:
        return HAS_DIFFERENCES if run.state == BillRun.State.DONE and run.open else run.get_state_display()

    def is_moving(self, row: BillRun) -> bool:
        return row.state == BillRun.State.RUNNING

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillRun]:
        same_day = Difference.objects.filter(mch_id=OuterRef("mch_id"), day=OuterRef("day"), ending=Ending.OPEN)
        total = same_day.order_by().values("day").annotate(total=Count("pk")).values("total")
        return super().get_queryset(request).annotate(open=Subquery(total))

    @display(description="未处理的差异")
    def found(self, run: Any) -> SafeString | int:
        """Return the number of the day's open differences, as a link to them."""
        if not run.open:
            return 0
        address = reverse("admin:payments_difference_changelist")
        query = f"day__exact={run.day.isoformat()}&mch_id__exact={run.mch_id}"
        return format_html('<a class="text-link" href="{}?{}">{}</a>', address, query, run.open)


class EndingFilter(ChoiceFilter):
    """Filter differences by how they ended. The default is the open ones, because the list is work to do."""

    title, parameter_name = "处理", "ending"
    conditions: ClassVar = {
        "all": ("全部", Q()),
        **{ending.value: (str(ending.label), Q(ending=ending)) for ending in (Ending.GONE, Ending.ACCEPTED)},
    }

    def choices(self, changelist: Any) -> Iterator[Any]:
        default, *others = super().choices(changelist)
        yield from ({**default, "display": Ending.OPEN.label}, *others)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().queryset(request, queryset if self.value() else queryset.filter(ending=Ending.OPEN))


def _step(service: Callable[..., Difference]) -> Callable[[Press], str]:
    def run(press: Press) -> str:
        difference = service(difference_id=press.row.pk, actor=press.actor, now=press.now)
        return "，".join(filter(None, [difference.get_ending_display() if difference.ending else "", difference.note]))

    return run


def _accept(press: Press) -> str:
    if not press.values["reason"]:
        raise RefundNotPossible("请写明核对的结果")
    difference_accept(difference_id=press.row.pk, actor=press.actor, now=press.now, **press.values)
    return ""


@admin.register(Difference)
class DifferenceAdmin(MoneyAdmin):
    rights: ClassVar = {"view": "查看", "change": "对账（含退回多收的钱）"}
    list_display = ("day", "kind_label", "number", "there", "here", "note", "ending_label", "found_at")
    list_filter = (EndingFilter, "kind", "day", "mch_id")
    search_fields = ("out_trade_no__startswith", "out_refund_no__startswith", "transaction_id__startswith")
    search_help_text = "商户订单号、退款单号或微信支付订单号"
    ordering = ("-day", "-pk")
    fieldsets = (
        section("差异", ("day", "kind_label"), ("there", "here"), "note", "what_to_do", "ours"),
        section("处理", ("ending_label", "found_at"), ("ended_at", "ended_by")),
        section(
            "单号",
            *("out_trade_no", "out_refund_no", "transaction_id", "refund_id"),
            *(("mch_id", "appid"), "bill_at"),
        ),
    )
    buttons = (
        Button(
            "accept", "已核对，不需处理", _accept,
            question="这条差异不再显示为待处理。账单或本地的记录变了，会重新出现。",
            reason="核对的结果，必填", needs_reason=True,
        ),
        Button("ask", "查询微信", _step(difference_ask)),
        Button(
            "return", "退回这笔钱", _step(difference_return),
            question="先向微信核实，再提交退款：零钱通常几分钟到账，银行卡 1 至 3 个工作日。"
            "进度在“退款单”里，不能撤回。同一商户号下还有别的系统时，请先确认这不是它的订单。",
            look=Look.GRAVE, password=True, is_request=True,
        ),
        Button(
            "adopt", "补记退款", _step(difference_add_refund),
            question="把微信侧已有的退款记入本系统：全额的，订单变为已退款，没有发货的商品回到库存。钱不会再退一次。",
        ),
    )  # fmt: skip
    asked_columns = ("day", "kind_label", "number", "there", "here")
    kind_label = choice_column("kind", "差异")
    number = column("单号", attrgetter("number"))
    there = column("微信账单", attrgetter("there"))
    here = column("本地", attrgetter("here"))
    ending_label = choice_column("ending", "处理", _ENDING_COLOURS)

    def offered(self, row: Any) -> Iterable[str]:
        return () if row.ending else _steps_of(row)[1]

    def question(self, button: Button, rows: list[Difference]) -> str:
        text = super().question(button, rows)
        if button.name != "return":
            return text
        payers = "、".join(_payer(row) for row in rows[:PAYERS_NAMED])
        more = f"等 {len(rows)} 笔的付款人" if len(rows) > PAYERS_NAMED else ""
        return f"把 {_sum(rows)} 全额原路退回付款的微信账户：{payers}{more}。{text}"

    def sum_of(self, rows: list[Difference]) -> str:
        return f"{len(rows)} 处差异，账单金额共 {_sum(rows)}"

    @display(description="下一步")
    def what_to_do(self, difference: Difference) -> str:
        return "—" if difference.ending else _steps_of(difference)[0]

    @display(description="本地记录")
    def ours(self, difference: Difference) -> SafeString | str:
        row = ours_of(difference)
        return "—" if row is None else page_link(row, row)


def _sum(differences: list[Difference]) -> str:
    return fen_text(sum(difference.bill_fen or 0 for difference in differences))


def _payer(difference: Difference) -> str:
    """Name the payer, as far as we know: WeChat Pay's bill has its own number alone."""
    buyer = listener().order_line(difference.out_trade_no)
    number = difference.transaction_id or difference.out_trade_no
    return f"{buyer}（微信支付订单号 {number}）" if buyer else f"微信支付订单号 {number} 的付款人"


_ASK = ("ask", "accept")
_RETURN = ("ask", "return", "accept")
# By the kind of a difference: what staff read, and the buttons that may solve it, the usual one first.
_STEPS: dict[str, tuple[str, tuple[str, ...]]] = {
    DifferenceKind.STRAY_MONEY: (
        "没有相符的订单（例如恢复备份之后）：先「查询微信」，仍对不上就「退回这笔钱」。", _RETURN,
    ),
    DifferenceKind.NO_MONEY: (
        "「查询微信」；微信确认已付而账单没有，请下载账单核对或联系微信支付，然后登记核对结果。", _ASK,
    ),
    DifferenceKind.AMOUNT: ("「查询微信」看真实金额；款项与订单不符而没有入账的，「退回这笔钱」。", _RETURN),
    DifferenceKind.STATE: ("「查询微信」，按微信的结果入账。", _RETURN),
    DifferenceKind.REFUND_UNKNOWN_HERE: (
        "在商户平台办理的，或恢复备份之后丢失的退款：「补记退款」。", ("adopt", "accept"),
    ),
    DifferenceKind.REFUND_UNKNOWN_THERE: ("「查询微信」；微信没有的，在退款单上重新提交。", _ASK),
}  # fmt: skip
_AMOUNT_BOOKED = (
    "「查询微信」看真实金额；这笔款已经入账，或是一笔退款：在订单上补退差额，或核对后点「已核对，不需处理」。"
)


def _steps_of(difference: Difference) -> tuple[str, tuple[str, ...]]:
    """Return the advice about a difference and its buttons."""
    advice, names = _STEPS[difference.kind]
    if names != _RETURN:
        return advice, names
    booked = Payment.objects.filter(out_trade_no=difference.out_trade_no, state=PaymentStatus.PAID)
    if not difference.out_refund_no and not booked.exists():
        return advice, names
    # What is booked, or a refund, is not sent back.
    return (_AMOUNT_BOOKED if difference.kind == DifferenceKind.AMOUNT else advice), _ASK
