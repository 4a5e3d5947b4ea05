"""The form of a refund of a part: which pieces, how much money, and whether the pieces can be sold again."""

from decimal import Decimal
from typing import Any

from django import forms
from django.forms.widgets import Script
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin.buttons import ButtonForm
from core.admin.tables import table
from core.money import fen_to_yuan, yuan_text
from payments.selectors import refunds_of_order
from shop.admin.order_parts import ASKED
from shop.models import Order, OrderLine

_SHELF = (("", "请选择"), ("yes", "放回货架，可以再卖"), ("no", "不放回（损坏、丢失，或还没有收到）"))


class PartForm(ButtonForm):
    amount = forms.DecimalField(
        label="退款金额（元）", max_digits=12, decimal_places=2, min_value=Decimal("0.01"), localize=False
    )
    shelf = forms.ChoiceField(
        label="退的商品", choices=_SHELF, required=False, help_text="退了商品的必选；只退金额的不用选"
    )
    refunds_seen = forms.IntegerField(min_value=0, error_messages={"required": "请核对下面的数字再办"})

    class Media:
        js = [Script("backoffice/refund.js", defer=True)]
        css = {"all": ["backoffice/orders.css"]}

    def __init__(self, data: Any, *, rows: list[Order], request: HttpRequest) -> None:
        super().__init__(data, rows=rows, request=request)
        self.order = rows[0]
        self.lines = list(self.order.lines.order_by("pk"))
        fields: dict[str, Any] = self.fields
        for line in self.lines:
            if line.left:
                attrs = {
                    "aria-label": f"退几件 {line.title}",
                    "data-price": str(line.price),
                    "inputmode": "numeric",
                    "placeholder": "0",
                }
                fields[_name(line)] = forms.IntegerField(
                    label=line.title,
                    required=False,
                    min_value=0,
                    max_value=line.left,
                    widget=forms.NumberInput(attrs),
                    error_messages={"max_value": f"最多还能退 {line.left} 件"},
                )
        self.in_table = {"refunds_seen", *(_name(line) for line in self.lines)}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.pieces(data) and not data.get("shelf"):
            self.add_error("shelf", "请选择退的商品是否放回货架")
        return data

    def pieces(self, data: dict[str, Any]) -> dict[int, int]:
        return {line.pk: data[_name(line)] for line in self.lines if data.get(_name(line))}

    def values(self, row: Order) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "amount": data["amount"],
            "quantities": self.pieces(data),
            "is_restocked": data["shelf"] == "yes",
            "refunds_seen": data["refunds_seen"],
        }

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        """Return the order's lines with a field for the pieces, and how much of its money can still be refunded."""
        order, refunds = self.order, refunds_of_order(out_trade_no=self.order.order_id)
        rows = [
            (
                line.title,
                yuan_text(line.price),
                line.quantity,
                str(line.refunded_quantity),
                self.cell(_name(line)) if line.left else "已退完",
            )
            for line in self.lines
        ]
        money = format_html(
            "<p>订单 {}，买家 {}。已付 {} 元，已退（含正在退的）{} 元，"
            '<b>还能退 <span data-rest="{}">{}</span> 元</b>。</p>',
            order,
            order.username,
            yuan_text(order.total),
            yuan_text(fen_to_yuan(refunds.claimed_fen)),
            fen_to_yuan(refunds.rest_fen),
            yuan_text(fen_to_yuan(refunds.rest_fen)),
        )
        if order.state in ASKED:
            money += format_html('<p class="od-ask"><b>买家申请退货</b>：{}</p>', order.note or "没有写明理由")
        seen = format_html('<input type="hidden" name="refunds_seen" value="{}">', refunds.number)
        return money + table(("商品", "单价（元）", "买了", "已退", "退几件"), rows) + seen


def _name(line: OrderLine) -> str:
    return f"quantity_{line.pk}"
