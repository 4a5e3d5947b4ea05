"""The forms of an order's buttons but that of parcels: who gets them, refunds of a part, remarks and flags."""

from decimal import Decimal
from typing import Any

from django import forms
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin.buttons import ButtonForm
from core.admin.phones import may_see_phones
from core.admin.tables import table
from core.money import fen_to_yuan, yuan_text
from payments.selectors import refunds_of_order
from shop.admin.order_related import Related
from shop.admin.parcel_form import TrackingField
from shop.models import Order, OrderLine
from shop.models.order import ADDRESS_LENGTH, INVOICE_LENGTH, PHONE_LENGTH, RECIPIENT_LENGTH, REMARK_LENGTH
from shop.order_states import ASKED, ReturnStep
from shop.services.order_attention import flag_mark

_SHELF = (("", "请选择"), ("yes", "放回货架，可以再卖"), ("no", "不放回（损坏、丢失，或还没有收到）"))
_HERE = (("", "请选择"), ("yes", "放回货架，可以再卖"), ("no", "不放回（损坏，不能再卖）"))


class ReceiverForm(ButtonForm):
    recipient = forms.CharField(label="收件人", required=False, max_length=RECIPIENT_LENGTH)
    phone = forms.CharField(label="电话", required=False, max_length=PHONE_LENGTH)
    address = forms.CharField(label="收货地址", required=False, max_length=ADDRESS_LENGTH)

    def build(self) -> None:
        self.initial = {name: getattr(self.rows[0], name) for name in self.fields}
        if not may_see_phones(self.request.user, Order):
            del self.fields["phone"]

    def values(self, row: Order) -> dict[str, Any]:
        return {"phone": row.phone, **self.cleaned_data}


class ReturnNumberForm(ButtonForm):
    def build(self) -> None:
        self.fields |= {"number": TrackingField(self.rows[0].return_no)}


class InvoiceForm(ButtonForm):
    number = forms.CharField(label="发票号码", required=False, max_length=INVOICE_LENGTH, help_text="清空就是没有开票")

    def build(self) -> None:
        self.initial = {"number": self.rows[0].invoice_no}


class PiecesForm(ButtonForm):
    """Asks for pieces of the lines of one order."""

    what, refusal = "退几件", "最多还能退 {} 件"

    def build(self) -> None:
        self.order = self.rows[0]
        self.lines = list(self.order.lines.order_by("pk"))
        for line in self.lines:
            if most := self.most(line):
                attrs = {"aria-label": f"{self.what} {line.title}", "data-price": str(line.price)}
                self.fields[_pieces_name(line)] = forms.IntegerField(
                    required=False,
                    min_value=0,
                    max_value=most,
                    widget=forms.NumberInput({**attrs, "inputmode": "numeric", "placeholder": "0"}),
                    error_messages={"max_value": self.refusal.format(most)},
                )
        self.in_table = [_pieces_name(line) for line in self.lines]

    def most(self, line: OrderLine) -> int:
        """Return how many pieces of the line may be named."""
        return line.left

    def pieces(self) -> dict[int, int]:
        """Return the pieces that were typed, by the key of their line."""
        pieces = {line.pk: self.cleaned_data.get(_pieces_name(line)) for line in self.lines}
        return {pk: number for pk, number in pieces.items() if number}

    def field_of(self, line: OrderLine, closed: str) -> SafeString | str:
        return self.cell(_pieces_name(line)) if self.most(line) else closed


class ReturnForm(PiecesForm):
    """What of an order's goods has come back."""

    what, refusal = "收到几件", "最多还能收到 {} 件"
    shelf = forms.ChoiceField(label="收到的商品", choices=_HERE)

    def most(self, line: OrderLine) -> int:
        return 0 if line.vip_level else line.outside

    def clean(self) -> None:
        if not self.errors and not self.pieces():
            raise forms.ValidationError("请填写收到几件")

    def values(self, row: Order) -> dict[str, Any]:
        return {"quantities": self.pieces(), "is_restocked": self.cleaned_data["shelf"] == "yes"}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        stocks = dict(self.order.lines.values_list("pk", "product__stock"))
        rows = [
            (line.title, line.quantity, line.received_quantity, stocks[line.pk], self.field_of(line, "—"))
            for line in self.lines
        ]
        number = format_html("<p>寄回单号：{}</p>", self.order.return_no or "没有填写")
        wrong = format_html_join("", '<p class="bo-wrong">{}</p>', ((error,) for error in self.non_field_errors()))
        return number + table(("商品", "买了", "以前收到", "现在库存", "收到几件"), rows) + wrong


class PartForm(PiecesForm):
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

    def build(self) -> None:
        super().build()
        self.in_table = [*self.in_table, "refunds_seen"]
        if self.order.state in ASKED and self.order.return_step == ReturnStep.RECEIVED:
            del self.fields["shelf"]  # asked when the goods came

    def clean(self) -> None:
        if "shelf" in self.fields and self.pieces() and not self.cleaned_data.get("shelf"):
            self.add_error("shelf", "请选择退的商品是否放回货架")

    def values(self, row: Order) -> dict[str, Any]:
        data = self.cleaned_data
        facts = {"amount": data["amount"], "refunds_seen": data["refunds_seen"]}
        return facts | {"quantities": self.pieces(), "is_restocked": data.get("shelf") == "yes"}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        """Return the order's lines with a field for the pieces, and how much of its money can still be refunded."""
        order, refunds = self.order, refunds_of_order(out_trade_no=self.order.order_id)
        rows = [
            (
                *(line.title, yuan_text(line.price), line.quantity),
                *(str(line.refunded_quantity), str(line.received_quantity), self.field_of(line, "已退完")),
            )
            for line in self.lines
        ]
        sums = {"paid": order.total, "claimed": fen_to_yuan(refunds.claimed_fen), "rest": fen_to_yuan(refunds.rest_fen)}
        context = {name: yuan_text(amount) for name, amount in sums.items()} | {"rest_yuan": str(sums["rest"])}
        context |= {"reason": Related([order]).reason(order)} if order.state in ASKED else {}
        money = render_to_string("shop/part_refund.html", context | {"order": order, "number": refunds.number})
        return money + table(("商品", "单价（元）", "买了", "已退", "已收到", "退几件"), rows)


def _pieces_name(line: OrderLine) -> str:
    return f"quantity_{line.pk}"


class RemarkForm(ButtonForm):
    text = forms.CharField(
        label="内部备注", max_length=REMARK_LENGTH, widget=forms.Textarea({"rows": 2, "maxlength": REMARK_LENGTH})
    )


class UnflagForm(ButtonForm):
    """Carries which flag the person has read; see ``order_unflag``."""

    seen = forms.CharField(required=False)
    in_table = ("seen",)

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        field = format_html('<input type="hidden" name="seen" value="{}">', flag_mark(self.rows[0]))
        return super().table(titles, cells) + field
