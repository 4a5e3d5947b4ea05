"""The forms about parcels: who gets it, who carries it, under which number."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.forms.widgets import Script
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from core.admin.base import OfficeAdmin
from core.admin.buttons import ButtonForm
from core.admin.phones import may_see_phones
from core.admin.tables import table
from shop.admin.parcel_sheet import Parcel, parcels_of, rows_sent
from shop.models import Courier, Order
from shop.models.order import ADDRESS_LENGTH, PHONE_LENGTH, RECIPIENT_LENGTH, TRACKING_LENGTH
from shop.parcel_numbers import NUMBERS, courier_of
from students.errors import SheetRefused

LAST_COURIER = "last_courier"  # of this session: the next parcels usually go by the same
_NUMBER = re.compile(rf"[0-9A-Z-]{{1,{TRACKING_LENGTH}}}")


@admin.register(Courier)
class CourierAdmin(OfficeAdmin):
    list_display = ["name", "position", "is_active"]
    ordering = ["position", "pk"]


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
        super().__init__(self._filled(data) if self.fills else data, rows=rows, request=request)
        fields: dict[str, Any] = self.fields
        for order in rows:
            number, courier = _names(order)
            fields[number] = TrackingField(order)
            fields[courier] = forms.ChoiceField(
                choices=[("", "没有快递（自取、面交）"), *((name, name) for name in self.couriers)],
                required=False,
                initial=order.express_company or request.session.get(LAST_COURIER, ""),
                widget=forms.Select({"aria-label": f"订单 {order} 的快递公司"}),
            )
        self.in_table = fields.keys()

    def _filled(self, data: Any) -> Any:
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
                number, courier = _names(order)
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
            number, courier = _names(order)
            if not data.get(number):
                continue
            if not data.get(courier):
                self.add_error(courier, "填写了快递单号，请选择快递公司")
            other = parcels.setdefault(data[number], order)
            if (other.phone, other.address, other.receiver_name) != (order.phone, order.address, order.receiver_name):
                self.add_error(number, f"与订单 {other} 的单号相同，收件人却不同，是否重复扫描？")
        return data

    def values(self, row: Order) -> dict[str, Any]:
        number, courier = _names(row)
        return {"express_company": self.cleaned_data[courier], "express_no": self.cleaned_data[number]}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        rows = [
            [*row, *(self.cell(name) for name in _names(order))] for order, row in zip(self.orders, cells, strict=True)
        ]
        fill_in = render_to_string("shop/parcels.html", {"form": self, "forms_of_numbers": NUMBERS})
        return fill_in + table([*titles, "快递单号", "快递公司"], rows)


def _names(order: Order) -> tuple[str, str]:
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
