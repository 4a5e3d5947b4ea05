"""Payments and notifications in the back office, and what all pages of money share."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.selectors import actor_names
from core import times
from core.admin.buttons import Button, ButtonsAdmin, Look, Press
from core.admin.tables import LogLine, choice_column, column, page_link, table, timeline
from core.money import fen_to_yuan, yuan_text
from core.times import format_office_time
from payments.listener import listener
from payments.models import InboundEvent, ListenerFailure, Payment, PaymentLog, PaymentStatus, Refund, RefundStatus
from payments.selectors import events_to_do, listener_failures_of
from payments.services.listener_call import PAUSES
from payments.services.notices import event_acknowledge
from payments.services.query_close import payment_query
from permissions.scope import scope_of
from runs.exports import ExportableAdmin, ExportColumn

Verdict, _S = InboundEvent.Verdict, RefundStatus
_STATES = {
    "success": (PaymentStatus.PAID, _S.SUCCESS, _S.OFFLINE, Verdict.ACCEPTED),
    "info": (_S.PROCESSING,),
    "warning": (PaymentStatus.OPEN, _S.PENDING),
    "danger": (PaymentStatus.STRAY, _S.ABNORMAL, _S.FAILED, _S.OWED, Verdict.REFUSED, Verdict.FAILED),
}
STATE_COLOURS = {str(state.label): colour for colour, states in _STATES.items() for state in states}


def yuan_column(field: str, title: str, **options: Any) -> Any:
    """Return a column of an amount in fen, shown in yuan."""
    return column(title, lambda row: yuan(getattr(row, field)), **options)


class MoneyAdmin(ButtonsAdmin):
    """Base of these pages, with the columns that several of them show. All fields are read-only."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # A payment knows its order's number and no buyer: whoever sees only what is his own sees an order's payments on
        # the page of the order.
        return super().has_view_permission(request, obj) and not scope_of(request.user).is_narrow

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Iterable[Any]:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    amount = yuan_column("amount_fen", "金额（元）", ordering="amount_fen")
    state_label = choice_column("state", "状态", STATE_COLOURS)

    @display(description="订单")
    def what_for(self, row: Any) -> SafeString:
        """Return a line about the order, as a link to it: to the list of orders, searched by the order's number."""
        number = row.payment.out_trade_no if isinstance(row, Refund) else row.out_trade_no
        text, address = listener().order_line(number) or number, reverse("admin:shop_order_changelist")
        return format_html('<a class="text-link" href="{}?q={}">{}</a>', address, number, text)

    @display(description="资金日志")
    def log(self, row: Any) -> SafeString:
        lines = list(row.logs.order_by("-pk"))
        names = actor_names(lines)
        return timeline(LogLine(log.at, names[log.pk], log.event, _change(log), log.detail) for log in lines)


def section(title: str, *fields: Any, classes: Iterable[str] = ()) -> tuple[str, dict[str, Any]]:
    """Return a part of a page for ``fieldsets``; fields in a tuple stand side by side."""
    return title, {"fields": fields, "classes": classes}


def yuan(fen: int | None) -> str:
    return "—" if fen is None else yuan_text(fen_to_yuan(fen))


def _change(log: PaymentLog) -> str:
    words = dict(RefundStatus.choices if log.refund_id else PaymentStatus.choices)
    states = dict.fromkeys(words.get(state, state) for state in (log.from_state, log.to_state) if state)
    return " → ".join(states)


def failure_text(failure: ListenerFailure) -> str:
    """Say to staff what the order could not take, since when, and what happens next."""
    what = f"退款单 {failure.out_refund_no}" if failure.out_refund_no else "这笔付款"
    tries = f"{format_office_time(failure.failed_at)} 起，已试 {failure.attempts} 次"
    after = "会再试到记上为止" if failure.out_refund_no else f"再试到第 {len(PAUSES) + 1} 次，仍不行就退回"
    return f"{what}已收到，订单没有记上（{tries}，{after}）：{failure.error}"


def _query_now(press: Press) -> str:
    answer = payment_query(out_trade_no=press.row.out_trade_no, now=press.now, min_interval_s=0)
    press.row.refresh_from_db()
    return f"微信侧 {answer['trade_state']}，本地 {press.row.get_state_display()}"


@admin.register(Payment)
class PaymentAdmin(ExportableAdmin, MoneyAdmin):
    rights: ClassVar = {"view": "查看", "change": "查询微信", "export": "导出"}
    export_columns = (
        ExportColumn("商户订单号", 34, lambda payment: payment.out_trade_no),
        ExportColumn("创建时间", 20, lambda payment: payment.created_at),
        ExportColumn("状态", 10, lambda payment: payment.get_state_display()),
        ExportColumn("金额（元）", 12, lambda payment: fen_to_yuan(payment.amount_fen), True),
        ExportColumn("实收（元）", 12, lambda payment: fen_to_yuan(payment.amount_fen if payment.paid_at else 0), True),
        ExportColumn("支付时间", 20, lambda payment: payment.paid_at),
        ExportColumn("微信支付订单号", 32, lambda payment: payment.transaction_id),
        ExportColumn("交易类型", 12, lambda payment: payment.get_trade_type_display()),
        ExportColumn("商户号", 14, lambda payment: payment.mch_id),
        ExportColumn("对账日", 12, lambda payment: payment.billed_on),
    )
    list_display = ("out_trade_no", "amount", "state_label", "transaction_id", "paid_at", "created_at")
    list_filter = ("state", "trade_type", "created_at")
    # Search by prefix, because PostgreSQL answers that from an index; "contains" would read every payment.
    search_fields = ("out_trade_no__startswith", "transaction_id__startswith")
    search_help_text = "商户订单号或微信支付订单号"
    ordering = ("-created_at", "-pk")
    fieldsets = (
        section("支付", ("amount", "state_label"), "what_for", "untold", ("created_at", "paid_at")),
        section("退款与日志", "refund_list", "log"),
        section(
            "微信支付",
            *("out_trade_no", "transaction_id", "trade_type", ("mch_id", "appid")),
            *(("last_query_at", "next_check_at"), "last_error"),
        ),
        section(
            "下单参数",
            *("description", "currency", "client_ip", "openid", "time_start", "time_expire", "closed_at"),
            *("prepay_id", "code_url"),
            classes=("collapse",),
        ),
    )
    buttons = (Button("query_now", "立即查询", _query_now),)

    @display(description="未入账")
    def untold(self, payment: Payment) -> str:
        """Return what the order could not take, and until when it is tried."""
        return "；".join(map(failure_text, listener_failures_of([payment.out_trade_no]))) or "—"

    @display(description="退款")
    def refund_list(self, payment: Payment) -> SafeString:
        lines = ((page_link(row, row), yuan(row.amount_fen), row.get_state_display()) for row in payment.refunds.all())
        return table(("退款单号", "金额（元）", "状态"), lines)


def _acknowledge(press: Press) -> str:
    event_acknowledge(event_id=press.row.pk, actor=press.actor, now=press.now)
    return "已知悉，不再提醒"


class ToDoFilter(admin.SimpleListFilter):
    title, parameter_name = "待处理", "todo"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "7 天内失败、还没有人知悉")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(pk__in=events_to_do(now=times.now()).values("pk")) if self.value() else queryset


@admin.register(InboundEvent)
class InboundEventAdmin(MoneyAdmin):
    rights: ClassVar = {"view": "查看", "change": "知悉"}
    list_display = ("received_at", "channel", "kind", "out_trade_no", "verdict_label", "result", "remote_ip")
    list_filter = (ToDoFilter, "verdict", "channel", "received_at")
    search_fields = ("out_trade_no",)
    search_help_text = "商户订单号"
    ordering = ("-received_at", "-pk")
    fieldsets = (
        section(
            "通知",
            *(("received_at", "handled_at"), ("channel", "kind"), "out_trade_no", ("verdict_label", "result")),
            ("acknowledged_at", "acknowledged_by"),
        ),
        section(
            "报文",
            *(("remote_ip", "http_status"), ("body_size", "body_sha256"), "header_text", "body_text"),
        ),
    )
    buttons = (
        Button(
            "acknowledge", "知道了", _acknowledge,
            question="确认已经看过、不用再处理：首页和列表不再提醒，没有办法改回来。",
            look=Look.QUIET,
        ),
    )  # fmt: skip
    asked_columns = ("received_at", "kind", "out_trade_no", "result")
    verdict_label = choice_column("verdict", "结论", STATE_COLOURS)

    def offered(self, row: Any) -> Iterable[str]:
        return ["acknowledge"] if events_to_do(now=times.now()).filter(pk=row.pk).exists() else []

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundEvent]:
        return super().get_queryset(request).defer("body", "headers")

    @display(description="请求头")
    def header_text(self, event: InboundEvent) -> SafeString:
        return _block("\n".join(f"{name}: {value}" for name, value in event.headers.items()))

    @display(description="原始报文")
    def body_text(self, event: InboundEvent) -> SafeString:
        return _block(bytes(event.body).decode("utf-8", "backslashreplace"))


def _block(text: str) -> SafeString:
    return format_html('<pre style="white-space:pre-wrap;word-break:break-all">{}</pre>', text)
