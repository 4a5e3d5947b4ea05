"""Pieces of the order page that are no form fields: money and log."""

from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.money import fen_to_yuan
from core.times import local
from payments.models import Payment, Refund
from shop.models import Order
from shop.states import State

_NONE = format_html("{}", "—")
_CELL = "padding:4px 16px 4px 0;text-align:left;white-space:nowrap"


def payments_table(order: Order) -> SafeString:
    rows = [
        (
            payments_link("payment", payment, payment.transaction_id or payment.out_trade_no),
            payment.get_state_display(),
            f"{fen_to_yuan(payment.amount_fen):.2f}",
            payment.get_trade_type_display(),
            _moment(payment.paid_at),
        )
        for payment in Payment.objects.filter(out_trade_no=order.order_id)
    ]
    return _table(("单号", "状态", "金额(元)", "方式", "支付时间"), rows)


def refunds_table(order: Order) -> SafeString:
    rows = [
        (
            payments_link("refund", refund, refund.out_refund_no),
            refund.get_state_display(),
            f"{fen_to_yuan(refund.amount_fen):.2f}",
            refund.reason,
            refund.requested_by,
            refund.attempts,
            refund.last_error,
        )
        for refund in Refund.objects.filter(payment__out_trade_no=order.order_id).order_by("pk")
    ]
    return _table(("退款单号", "状态", "金额(元)", "原因", "申请人", "提交次数", "最近错误"), rows)


def log_timeline(order: Order) -> SafeString:
    """Who did what, from which state to which, oldest first."""
    steps = [
        (_moment(log.at), log.actor, log.event, _arrow(log.from_state, log.to_state), log.detail)
        for log in order.logs.all()
    ]
    entries = format_html_join(
        "",
        '<li style="border-left:2px solid #9ca3af;padding:0 0 12px 12px;margin-left:4px">'
        '<div style="opacity:.85">{} · {}</div><div><strong>{}</strong> {}</div><div style="opacity:.85">{}</div></li>',
        steps,
    )
    return format_html('<ol style="margin:0;padding:0;list-style:none">{}</ol>', entries)


def last_step(order: Order) -> str:
    """Who did what last, and when."""
    log = order.logs.order_by("-pk").first()
    return f"{log.actor} 于 {_moment(log.at)} {log.event}" if log else ""


def _arrow(before: str, after: str) -> str:
    if not before or before == after:
        return State(after).label if not before else ""
    return f"{State(before).label} → {State(after).label}"


def _moment(at: Any) -> str:
    return f"{local(at):%Y-%m-%d %H:%M:%S}" if at else "—"


def payments_link(model: str, row: Any, text: str) -> SafeString:
    try:
        url = reverse(f"admin:payments_{model}_change", args=[row.pk])
    except NoReverseMatch:
        return format_html("{}", text)
    return format_html('<a href="{}" style="text-decoration:underline">{}</a>', url, text)


def _table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> SafeString:
    if not rows:
        return _NONE
    head = format_html_join("", f'<th style="{_CELL}">{{}}</th>', ((title,) for title in titles))
    cells = (format_html_join("", f'<td style="{_CELL}">{{}}</td>', ((cell,) for cell in row)) for row in rows)
    body = format_html_join("", "<tr>{}</tr>", ((row,) for row in cells))
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)
