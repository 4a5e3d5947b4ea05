"""Refunds in the back office: the state of each, why the buyer does not have the money, and what staff can do."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from unfold.decorators import display

from core.admin.buttons import Button, ButtonForm, Look, Press
from core.money import fen_text, fen_to_yuan
from core.times import format_office_time
from payments.admin.money import MoneyAdmin, section
from payments.models import OfflineWay, Refund, RefundStatus
from payments.selectors import UNDER_WAY
from payments.services.refund import refund_run
from payments.services.refund_by_staff import refund_again, refund_ask, refund_offline
from runs.exports import ExportableAdmin, ExportColumn


def _again(press: Press) -> str:
    again = refund_again(refund_id=press.row.pk, actor=press.actor, now=press.now)
    return again.get_state_display() if again == press.row else f"新单号 {again.out_refund_no}"


def _ask(press: Press) -> str:
    return refund_ask(refund_id=press.row.pk, now=press.now).get_state_display()


def _run_now(press: Press) -> str:
    refund = refund_run(refund_id=press.row.pk, now=press.now, at_once=True)
    return " ".join(filter(None, [refund.get_state_display(), refund.last_error]))


def _offline(press: Press) -> str:
    way, voucher = press.values["way"], press.values["voucher"]
    refund_offline(refund_id=press.row.pk, way=way, voucher=voucher, actor=press.actor, now=press.now)
    return f"{OfflineWay(way).label} 凭证号 {voucher}"


class OfflineForm(ButtonForm):
    way = forms.ChoiceField(label="退款方式", choices=OfflineWay)
    voucher = forms.CharField(label="凭证号", max_length=64, help_text="转账单号、收据号等，以后查账用")
    is_sure = forms.BooleanField(label="已确认买家收到款，且微信侧不会再退这笔款（商户平台上也没有人在办）")


# The buttons of a refund in each state, the usual one first.
_STEPS: dict[RefundStatus, tuple[str, ...]] = {
    RefundStatus.PENDING: ("run_now",),
    RefundStatus.PROCESSING: ("run_now",),
    RefundStatus.FAILED: ("retry", "offline", "ask"),
    RefundStatus.CLOSED: ("renew", "offline", "ask"),
    RefundStatus.ABNORMAL: ("ask", "offline"),
    RefundStatus.OWED: ("offline",),
}


def _back(refund: Refund) -> Decimal:
    return fen_to_yuan(refund.amount_fen if refund.state in (RefundStatus.SUCCESS, RefundStatus.OFFLINE) else 0)


@admin.register(Refund)
class RefundAdmin(ExportableAdmin, MoneyAdmin):
    rights: ClassVar = {"view": "查看", "change": "处理退款", "export": "导出"}
    export_columns = (
        ExportColumn("商户退款单号", 36, lambda refund: refund.out_refund_no),
        ExportColumn("商户订单号", 34, lambda refund: refund.payment.out_trade_no),
        ExportColumn("申请时间", 20, lambda refund: refund.created_at),
        ExportColumn("状态", 12, lambda refund: refund.get_state_display()),
        ExportColumn("退款金额（元）", 14, lambda refund: fen_to_yuan(refund.amount_fen), True),
        ExportColumn("已退（元）", 12, _back, True),
        ExportColumn("原因", 30, lambda refund: refund.reason),
        ExportColumn("申请人", 14, lambda refund: refund.requested_by),
        ExportColumn("微信受理时间", 20, lambda refund: refund.accepted_at),
        ExportColumn("退款成功时间", 20, lambda refund: refund.refunded_at),
        ExportColumn("微信退款单号", 32, lambda refund: refund.refund_id),
        ExportColumn("退至", 12, lambda refund: refund.get_way_display()),
        ExportColumn("线下退款", 12, lambda refund: refund.get_offline_way_display()),
        ExportColumn("凭证号", 20, lambda refund: refund.offline_voucher),
        ExportColumn("登记人", 14, lambda refund: refund.offline_by),
        ExportColumn("对账日", 12, lambda refund: refund.billed_on),
    )
    list_display = (
        *("out_refund_no", "amount", "state_label", "trouble", "reason", "requested_by"),
        *("attempts", "created_at"),
    )
    list_filter = ("state", "created_at")
    search_fields = ("out_refund_no__startswith", "refund_id__startswith")
    search_help_text = "退款单号（以商户订单号开头）"
    ordering = ("-created_at", "-pk")
    fieldsets = (
        section(
            "退款",
            *(("amount", "state_label"), "trouble", "what_for", "reason", ("requested_by", "created_at")),
            *("offline_proof", "log"),
        ),
        section(
            "微信支付",
            *("out_refund_no", "payment", "refund_id", ("way", "received_by"), "refunded_at"),
            *(("attempts", "sent_at", "next_try_at"), "last_error"),
        ),
    )
    buttons = (
        Button("run_now", "立即处理", _run_now, is_request=True),
        Button(
            "retry", "重新提交", _again,
            question="再次请微信支付把款项退回买家；同一个退款单号，钱只会退一次。",
            password=True, is_request=True,
        ),
        Button(
            "renew", "换新单号退款", _again,
            question="先向微信确认旧单号已经关闭，再用新的单号把款项原路退回买家。",
            password=True, is_request=True,
        ),
        Button("ask", "查询进度", _ask),
        Button(
            "offline", "已线下退款", _offline,
            question="登记款项已用其他办法退给买家，这笔退款到此结束，不能撤回。登记前会向微信确认它没有退出。",
            form=OfflineForm, max_rows=1, look=Look.GRAVE, password=True,
        ),
    )  # fmt: skip
    asked_columns = ("out_refund_no", "amount", "state_label", "trouble")

    def offered(self, row: Any) -> Iterable[str]:
        return _STEPS.get(RefundStatus(row.state), ())

    def export_rows(self, rows: QuerySet[Refund]) -> QuerySet[Refund]:
        return rows.select_related("payment")

    def is_moving(self, row: Refund) -> bool:
        return row.state in UNDER_WAY

    def sum_of(self, rows: list[Refund]) -> str:
        return f"{len(rows)} 笔退款，共 {fen_text(sum(refund.amount_fen for refund in rows))}"

    @display(description="问题")
    def trouble(self, refund: Refund) -> str:
        return refund.trouble or "—"

    @display(description="线下退款")
    def offline_proof(self, refund: Refund) -> str:
        if refund.state != RefundStatus.OFFLINE:
            return "—"
        proof = f"{refund.get_offline_way_display()} 凭证号 {refund.offline_voucher}"
        return f"{proof}，{refund.offline_by} 于 {format_office_time(refund.offline_at)} 登记"
