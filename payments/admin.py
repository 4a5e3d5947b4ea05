"""Money in the back office: everything to see, nothing to type. A button calls the same service as all else."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.buttons import ButtonsAdmin
from core.money import fen_to_yuan
from core.times import local
from payments.models import InboundEvent, Payment, PaymentLog, PaymentStatus, Refund, RefundStatus
from payments.register import listener
from payments.services import payment_query, refund_retry, refund_run
from payments.services.journal import event_replay
from payments.services.types import PaymentState

_STATE_COLOURS = {
    PaymentStatus.OPEN.label: "warning",
    PaymentStatus.PAID.label: "success",
    RefundStatus.PROCESSING.label: "info",
    RefundStatus.PENDING.label: "warning",
    RefundStatus.SUCCESS.label: "success",
    RefundStatus.ABNORMAL.label: "danger",
    RefundStatus.FAILED.label: "danger",
    InboundEvent.Verdict.ACCEPTED.label: "success",
    InboundEvent.Verdict.REFUSED.label: "danger",
    InboundEvent.Verdict.FAILED.label: "danger",
}
Button = tuple[str, Callable[[Any, HttpRequest], str]]  # its name, and what it does; that answers what became of it


class MoneyAdmin(ButtonsAdmin):
    """Read-only, with ``buttons``."""

    buttons: ClassVar[dict[str, Button]] = {}

    def __init_subclass__(cls) -> None:
        cls.labels = {name: label for name, (label, _) in cls.buttons.items()}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Iterable[Any]:
        return self.fields or ()

    def press(self, request: HttpRequest, name: str, row: Any) -> str:
        return self.buttons[name][1](row, request)


def _yuan(fen: int) -> str:
    return f"{fen_to_yuan(fen):.2f}"


def _log_list(logs: QuerySet[PaymentLog]) -> SafeString:
    rows = [
        (
            f"{local(step.at):%Y-%m-%d %H:%M:%S}",
            step.actor,
            step.event,
            f"{step.from_state} → {step.to_state}" if step.from_state != step.to_state else step.to_state,
            step.detail,
        )
        for step in logs
    ]
    cells = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
    return format_html('<table style="border-spacing:16px 4px;border-collapse:separate">{}</table>', cells)


def _query_now(payment: Payment, request: HttpRequest) -> str:
    state: PaymentState = payment_query(out_trade_no=payment.out_trade_no, now=timezone.now(), min_interval_s=0)
    return f"微信侧 {state.trade_state}, 本地 {PaymentStatus(state.state).label}"


@admin.register(Payment)
class PaymentAdmin(MoneyAdmin):
    list_display = ("out_trade_no", "amount", "state_label", "trade_type", "transaction_id", "paid_at", "created_at")
    list_filter = ("state", "trade_type", "created_at")
    # With these look-ups PostgreSQL can use its indexes.
    search_fields = ("out_trade_no__startswith", "transaction_id__startswith")
    search_help_text = "商户订单号或微信支付订单号"
    ordering = ("-created_at", "-pk")
    fields = (
        *("out_trade_no", "what_for", "amount", "currency", "state_label", "trade_type", "transaction_id", "paid_at"),
        *("description", "client_ip", "openid", "time_start", "time_expire", "prepay_id", "code_url"),
        *("closed_at", "last_query_at", "next_check_at", "last_error", "created_at", "refund_list", "log"),
    )
    buttons = {"query_now": ("立即查询", _query_now)}

    @display(description="金额(元)", ordering="amount_fen")
    def amount(self, payment: Payment) -> str:
        return _yuan(payment.amount_fen)

    @display(description="状态", label=_STATE_COLOURS)
    def state_label(self, payment: Payment) -> str:
        return payment.get_state_display()

    @display(description="订单")
    def what_for(self, payment: Payment) -> str:
        return listener().describe(out_trade_no=payment.out_trade_no) or "—"

    @display(description="退款")
    def refund_list(self, payment: Payment) -> str:
        return "；".join(f"{r} {_yuan(r.amount_fen)}元 {r.get_state_display()}" for r in payment.refunds.all()) or "—"

    @display(description="资金日志")
    def log(self, payment: Payment) -> SafeString:
        return _log_list(payment.logs.all())


def _retry(refund: Refund, request: HttpRequest) -> str:
    return refund_retry(refund_id=refund.pk, actor=request.user.get_username(), now=timezone.now()).get_state_display()


def _run_now(refund: Refund, request: HttpRequest) -> str:
    moved = refund_run(refund_id=refund.pk, now=timezone.now(), at_once=True)
    return " ".join(filter(None, [moved.get_state_display(), moved.last_error]))


@admin.register(Refund)
class RefundAdmin(MoneyAdmin):
    list_display = (
        *("out_refund_no", "amount", "state_label", "reason", "requested_by"),
        *("attempts", "last_error", "created_at"),
    )
    list_filter = ("state", "created_at")
    search_fields = ("out_refund_no__startswith", "refund_id__startswith")
    search_help_text = "退款单号(以商户订单号开头)"
    ordering = ("-created_at", "-pk")
    fields = (
        *("out_refund_no", "payment", "amount", "state_label", "reason", "requested_by", "refund_id", "refunded_at"),
        *("attempts", "next_try_at", "last_error", "created_at", "log"),
    )
    buttons = {"retry": ("重试退款", _retry), "run_now": ("立即处理", _run_now)}

    @display(description="退款金额(元)", ordering="amount_fen")
    def amount(self, refund: Refund) -> str:
        return _yuan(refund.amount_fen)

    @display(description="状态", label=_STATE_COLOURS)
    def state_label(self, refund: Refund) -> str:
        return refund.get_state_display()

    @display(description="资金日志")
    def log(self, refund: Refund) -> SafeString:
        return _log_list(refund.logs.all())


def _replay(event: InboundEvent, request: HttpRequest) -> str:
    replayed = event_replay(event_id=event.pk, now=timezone.now())
    return f"{replayed.get_verdict_display()} {replayed.result}"


@admin.register(InboundEvent)
class InboundEventAdmin(MoneyAdmin):
    list_display = ("id", "received_at", "channel", "kind", "out_trade_no", "verdict_label", "result", "remote_ip")
    list_filter = ("verdict", "channel", "received_at")
    search_fields = ("out_trade_no",)
    search_help_text = "商户订单号"
    ordering = ("-received_at", "-pk")
    fields = (
        *("received_at", "channel", "remote_ip", "kind", "out_trade_no", "verdict_label", "result", "http_status"),
        *("handled_at", "replays", "body_size", "header_text", "body_text"),
    )
    buttons = {"replay": ("重放", _replay)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundEvent]:
        return super().get_queryset(request).defer("body", "headers")

    @display(description="结论", label=_STATE_COLOURS)
    def verdict_label(self, event: InboundEvent) -> str:
        return event.get_verdict_display()

    @display(description="请求头")
    def header_text(self, event: InboundEvent) -> SafeString:
        return _block("\n".join(f"{name}: {value}" for name, value in event.headers.items()))

    @display(description="原始报文")
    def body_text(self, event: InboundEvent) -> SafeString:
        return _block(bytes(event.body).decode("utf-8", "backslashreplace"))


def _block(text: str) -> SafeString:
    return format_html('<pre style="white-space:pre-wrap;word-break:break-all">{}</pre>', text)
