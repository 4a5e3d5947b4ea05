"""Money in the back office: everything to see, nothing to type. A button calls the same service as all else."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.buttons import ButtonsAdmin
from core.admin.tables import Step, table, timeline
from core.money import fen_text, fen_to_yuan
from payments.errors import EventCut
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
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def press(self, request: HttpRequest, name: str, row: Any) -> str:
        return self.buttons[name][1](row, request)


def _yuan(fen: int) -> str:
    return f"{fen_to_yuan(fen):.2f}"


def _log_list(logs: QuerySet[PaymentLog]) -> SafeString:
    return timeline(Step(log.at, log.actor, log.event, _change(log), log.detail) for log in logs)


def _change(log: PaymentLog) -> str:
    words = dict(RefundStatus.choices if log.refund_id else PaymentStatus.choices)
    states = dict.fromkeys(words.get(state, state) for state in (log.from_state, log.to_state) if state)
    return " → ".join(states)


def _query_now(payment: Payment, request: HttpRequest) -> str:
    state: PaymentState = payment_query(out_trade_no=payment.out_trade_no, now=timezone.now(), min_interval_s=0)
    return f"微信侧 {state.trade_state}, 本地 {PaymentStatus(state.state).label}"


@admin.register(Payment)
class PaymentAdmin(MoneyAdmin):
    list_display = ("out_trade_no", "amount", "state_label", "transaction_id", "paid_at", "created_at")
    list_filter = ("state", "trade_type", "created_at")
    # With these look-ups PostgreSQL can use its indexes.
    search_fields = ("out_trade_no__startswith", "transaction_id__startswith")
    search_help_text = "商户订单号或微信支付订单号"
    ordering = ("-created_at", "-pk")
    fieldsets = (
        ("支付", {"fields": (("amount", "state_label"), "what_for", ("created_at", "paid_at"), "refund_list", "log")}),
        (
            "微信支付",
            {
                "fields": (
                    "out_trade_no",
                    "transaction_id",
                    "trade_type",
                    ("mch_id", "appid"),
                    ("last_query_at", "next_check_at"),
                    "last_error",
                )
            },
        ),
        (
            "下单参数",
            {
                "fields": (
                    *("description", "currency", "client_ip", "openid", "time_start", "time_expire", "closed_at"),
                    *("prepay_id", "code_url"),
                ),
                "classes": ("collapse",),
            },
        ),
    )
    buttons = {"query_now": ("立即查询", _query_now)}

    @display(description="金额(元)", ordering="amount_fen")
    def amount(self, payment: Payment) -> str:
        return _yuan(payment.amount_fen)

    @display(description="状态", label=_STATE_COLOURS)
    def state_label(self, payment: Payment) -> str:
        return payment.get_state_display()

    @display(description="订单")
    def what_for(self, payment: Payment) -> SafeString:
        return _order_link(payment)

    @display(description="退款")
    def refund_list(self, payment: Payment) -> SafeString:
        rows = [
            (
                format_html('<a class="text-link" href="{}">{}</a>', _page("refund", refund), refund),
                _yuan(refund.amount_fen),
                refund.get_state_display(),
            )
            for refund in payment.refunds.all()
        ]
        return table(("退款单号", "金额(元)", "状态"), rows)

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
    fieldsets = (
        ("退款", {"fields": (("amount", "state_label"), "what_for", "reason", ("requested_by", "created_at"), "log")}),
        (
            "微信支付",
            {
                "fields": (
                    *("out_refund_no", "payment", "refund_id", "refunded_at"),
                    *(("attempts", "next_try_at"), "last_error"),
                )
            },
        ),
    )
    buttons = {"retry": ("重试退款", _retry), "run_now": ("立即处理", _run_now)}
    asks = {"retry": "再次请微信支付把款项退回买家;同一个退款单号,钱只会退一次。"}
    asks_of = ("out_refund_no", "amount", "state_label", "last_error")

    def offered(self, request: HttpRequest, object_id: Any) -> Iterable[str]:
        refund = self.get_object(request, str(object_id))
        if refund is None or not self.has_change_permission(request, refund):
            return ()
        if self.is_moving(refund):
            return ("run_now",)
        return ("retry",) if refund.state in (RefundStatus.FAILED, RefundStatus.ABNORMAL) else ()

    def is_moving(self, row: Refund) -> bool:
        return row.state in (RefundStatus.PENDING, RefundStatus.PROCESSING)

    def sum_of(self, rows: list[Refund]) -> str:
        return f"{len(rows)} 笔退款,共 {fen_text(sum(refund.amount_fen for refund in rows))}"

    @display(description="退款金额(元)", ordering="amount_fen")
    def amount(self, refund: Refund) -> str:
        return _yuan(refund.amount_fen)

    @display(description="状态", label=_STATE_COLOURS)
    def state_label(self, refund: Refund) -> str:
        return refund.get_state_display()

    @display(description="订单")
    def what_for(self, refund: Refund) -> SafeString:
        return _order_link(refund.payment)

    @display(description="资金日志")
    def log(self, refund: Refund) -> SafeString:
        return _log_list(refund.logs.all())


def _replay(event: InboundEvent, request: HttpRequest) -> str:
    replayed = event_replay(event_id=event.pk, now=timezone.now())
    return f"{replayed.get_verdict_display()} {replayed.result}"


@admin.register(InboundEvent)
class InboundEventAdmin(MoneyAdmin):
    list_display = ("received_at", "channel", "kind", "out_trade_no", "verdict_label", "result", "remote_ip")
    list_filter = ("verdict", "is_genuine", "channel", "received_at")
    search_fields = ("out_trade_no",)
    search_help_text = "商户订单号"
    ordering = ("-received_at", "-pk")
    fieldsets = (
        (
            "通知",
            {
                "fields": (
                    *(("received_at", "channel"), ("kind", "out_trade_no"), ("verdict_label", "result")),
                    *(("handled_at", "replays"),),
                )
            },
        ),
        (
            "报文",
            {
                "fields": (
                    *(("remote_ip", "http_status"), ("is_genuine", "body_size"), "body_sha256"),
                    *("header_text", "body_text"),
                )
            },
        ),
    )
    buttons = {"replay": ("重新处理", _replay)}

    def offered(self, request: HttpRequest, object_id: Any) -> Iterable[str]:
        event = self.get_object(request, str(object_id))
        return () if event is None or event.is_cut else super().offered(request, object_id)

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
        text = _block(bytes(event.body).decode("utf-8", "backslashreplace"))
        if not event.is_cut:
            return text
        return format_html(
            "<p>{}。全文 {} 字节,以下是前 {} 字节。</p>{}", EventCut.msg, event.body_size, len(event.body), text
        )


def _page(model: str, row: Any) -> str:
    return reverse(f"admin:payments_{model}_change", args=[row.pk])


def _order_link(payment: Payment) -> SafeString:
    """What was bought, and the way to it: the list of orders finds one by its number."""
    number = payment.out_trade_no
    text = listener().describe(out_trade_no=number) or number
    return format_html(
        '<a class="text-link" href="{}?q={}">{}</a>', reverse("admin:shop_order_changelist"), number, text
    )


def _block(text: str) -> SafeString:
    return format_html('<pre style="white-space:pre-wrap;word-break:break-all">{}</pre>', text)
