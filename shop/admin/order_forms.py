"""The forms of an order's buttons: parcels and who gets them, refunds of a part, remarks and flags."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.widgets import Script
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin.buttons import ButtonForm
from core.admin.phones import may_see_phones
from core.admin.tables import table
from core.money import fen_to_yuan, yuan_text
from core.sheets.read import SheetRefused
from payments.selectors import refunds_of_order
from shop.admin.order_parts import ASKED
from shop.admin.parcel_sheet import Parcel, parcels_of, rows_sent
from shop.models import Courier, Order, OrderLine
from shop.models.courier import NUMBERS, courier_of
from shop.models.order import ADDRESS_LENGTH, PHONE_LENGTH, RECIPIENT_LENGTH, REMARK_LENGTH, TRACKING_LENGTH
from shop.services.order_attention import flag_mark

LAST_COURIER = "last_courier"  # of this session: the next parcels usually go by the same
_NUMBER = re.compile(rf"[0-9A-Z-]{{1,{TRACKING_LENGTH}}}")
_SHELF = (("", "请选择"), ("yes", "放回货架，可以再卖"), ("no", "不放回（损坏、丢失，或还没有收到）"))


class TrackingField(forms.CharField):
    """A parcel's number as people type or scan it: with spaces, in lower case."""

    def __init__(self, order: Order) -> None:
        attrs = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "data-tracking": ""}
        widget = forms.TextInput({**attrs, "aria-label": f"订单 {order} 的快递单号"})
        super().__init__(required=False, max_length=2 * TRACKING_LENGTH, initial=order.express_no, widget=widget)

    def clean(self, value: Any) -> str:
        number = re.sub(r"\s", "", super().clean(value)).upper()
        if number and not _NUMBER.fullmatch(number):
            raise forms.ValidationError(f"快递单号只能有字母、数字和横线，最多 {TRACKING_LENGTH} 位")
        return number


class ParcelForm(ButtonForm):
    """A number and a courier for each order. A sheet or a pasted text fills them in, to be looked at and confirmed."""

    pasted = forms.CharField(required=False)
    sheet = forms.FileField(required=False)

    class Media:
        js = [Script("backoffice/shipping.js", defer=True)]
        css = {"all": ["backoffice/transfer.css", "backoffice/orders.css"]}

    def __init__(self, data: Any, *, rows: list[Order], request: HttpRequest) -> None:
        self.orders, self.problems, self.filled = rows, list[str](), 0
        names = list(Courier.objects.filter(is_active=True).values_list("name", flat=True))
        self.couriers = list(dict.fromkeys([*names, *filter(None, (order.express_company for order in rows))]))
        self.file = request.FILES.get("sheet")
        self.fills = data is not None and bool(self.file or data.get("pasted", "").strip())
        super().__init__(self._with_parcels(data) if self.fills else data, rows=rows, request=request)
        fields: dict[str, Any] = self.fields
        for order in rows:
            number, courier = _parcel_names(order)
            fields[number] = TrackingField(order)
            fields[courier] = forms.ChoiceField(
                choices=[("", "没有快递（自取、面交）"), *((name, name) for name in self.couriers)],
                required=False,
                initial=order.express_company or request.session.get(LAST_COURIER, ""),
                widget=forms.Select({"aria-label": f"订单 {order} 的快递公司"}),
            )
        self.in_table = fields.keys()

    def _with_parcels(self, data: Any) -> Any:
        """Return the posted data with the parcels of the sheet or the text in it."""
        parcels: dict[int, Parcel] = {}
        try:
            parcels, self.problems = parcels_of(self.orders, rows_sent(data.get("pasted", ""), self.file))
        except SheetRefused as refusal:
            self.problems = [refusal.msg]
        self.filled, data = len(parcels), data.copy()
        data["pasted"] = ""
        for order in self.orders:
            if parcel := parcels.get(order.pk):
                number, courier = _parcel_names(order)
                guess = courier_of(parcel.number.upper())
                data[number] = parcel.number
                alike = (name for name in self.couriers if name[:2] == parcel.courier[:2])  # 极兔 is 极兔速递
                data[courier] = next((name for name in (parcel.courier, guess, *alike) if name in self.couriers), "")
        return data

    def is_valid(self) -> bool:
        return super().is_valid() and not self.fills

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        parcels: dict[str, Order] = {}
        for order in self.orders:
            number, courier = _parcel_names(order)
            if not data.get(number):
                continue
            if not data.get(courier):
                self.add_error(courier, "填写了快递单号，请选择快递公司")
            other = parcels.setdefault(data[number], order)
            if (other.phone, other.address, other.receiver_name) != (order.phone, order.address, order.receiver_name):
                self.add_error(number, f"与订单 {other} 的单号相同，收件人却不同，是否重复扫描？")
        return data

    def values(self, row: Order) -> dict[str, Any]:
        number, courier = _parcel_names(row)
        return {"express_company": self.cleaned_data[courier], "express_no": self.cleaned_data[number]}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        orders = zip(self.orders, cells, strict=True)
        rows = [[*row, *(self.cell(name) for name in _parcel_names(order))] for order, row in orders]
        fill_in = render_to_string("shop/parcels.html", {"form": self, "forms_of_numbers": NUMBERS})
        return fill_in + table([*titles, "快递单号", "快递公司"], rows)


def _parcel_names(order: Order) -> tuple[str, str]:
    """Name the order's two fields: of the parcel's number, and of its courier."""
    return f"express_no_{order.pk}", f"express_company_{order.pk}"


class ReceiverForm(ButtonForm):
    recipient = forms.CharField(label="收件人", required=False, max_length=RECIPIENT_LENGTH)
    phone = forms.CharField(label="电话", required=False, max_length=PHONE_LENGTH)
    address = forms.CharField(label="收货地址", required=False, max_length=ADDRESS_LENGTH)

    def __init__(self, data: Any, *, rows: list[Order], request: HttpRequest) -> None:
        super().__init__(data, rows=rows, request=request)
        order = rows[0]
        self.initial = {"recipient": order.recipient, "phone": order.phone, "address": order.address}
        if not may_see_phones(request.user, order):
            del self.fields["phone"]

    def values(self, row: Order) -> dict[str, Any]:
        return {"phone": row.phone, **self.cleaned_data}


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
                fields[_pieces_name(line)] = forms.IntegerField(
                    label=line.title,
                    required=False,
                    min_value=0,
                    max_value=line.left,
                    widget=forms.NumberInput(attrs),
                    error_messages={"max_value": f"最多还能退 {line.left} 件"},
                )
        self.in_table = {"refunds_seen", *(_pieces_name(line) for line in self.lines)}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.pieces(data) and not data.get("shelf"):
            self.add_error("shelf", "请选择退的商品是否放回货架")
        return data

    def pieces(self, data: dict[str, Any]) -> dict[int, int]:
        return {line.pk: data[_pieces_name(line)] for line in self.lines if data.get(_pieces_name(line))}

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
                self.cell(_pieces_name(line)) if line.left else "已退完",
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
        field = format_html('<input type="hidden" name="refunds_seen" value="{}">', refunds.number)
        return money + table(("商品", "单价（元）", "买了", "已退", "退几件"), rows) + field


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
