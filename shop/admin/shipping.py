"""The forms about parcels: who gets it, who carries it, under which number."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.forms.widgets import Script
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin.base import OfficeAdmin
from core.admin.buttons import ButtonForm
from core.admin.phones import may_see_phones
from core.admin.tables import table
from shop.models import Courier, Order
from shop.models.order import ADDRESS_LENGTH, PHONE_LENGTH, RECIPIENT_LENGTH, TRACKING_LENGTH

LAST_COURIER = "last_courier"  # of this session: the next parcels usually go by the same
_NUMBER = re.compile(rf"[0-9A-Z-]{{1,{TRACKING_LENGTH}}}")


@admin.register(Courier)
class CourierAdmin(OfficeAdmin):
    list_display = ["name", "position", "is_active"]
    ordering = ["position", "pk"]


class TrackingField(forms.CharField):
    """A parcel's number as people type or scan it: with spaces, in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput({"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"})
        super().__init__(required=False, max_length=2 * TRACKING_LENGTH, widget=widget, **kwargs)

    def clean(self, value: Any) -> str:
        number = re.sub(r"\s", "", super().clean(value)).upper()
        if number and not _NUMBER.fullmatch(number):
            raise forms.ValidationError(f"快递单号只能有字母、数字和横线，最多 {TRACKING_LENGTH} 位")
        return number


def courier_choices(*present: str) -> list[tuple[str, str]]:
    names = list(Courier.objects.filter(is_active=True).values_list("name", flat=True))
    names += [name for name in dict.fromkeys(present) if name and name not in names]
    return [("", "没有快递（自取、面交）"), *((name, name) for name in names)]


class ShipForm(ButtonForm):
    """One courier for all orders, and a number for each."""

    first = ("express_company",)  # a scanner that ends the last number with Enter sends the form
    express_company = forms.ChoiceField(label="快递公司", required=False)

    class Media:
        js = [Script("backoffice/shipping.js", defer=True)]
        css = {"all": ["backoffice/orders.css"]}

    def __init__(self, data: Any, *, rows: list[Order], request: HttpRequest) -> None:
        super().__init__(data, rows=rows, request=request)
        self.orders = rows
        self.initial = {"express_company": request.session.get(LAST_COURIER, "")}
        fields: dict[str, Any] = self.fields
        fields["express_company"].choices = courier_choices()
        for order in rows:
            fields[number_field(order)] = TrackingField(label=f"快递单号 {order}")
        self.in_table = {number_field(order) for order in rows}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        parcels: dict[str, Order] = {}
        for order in self.orders:
            number = data.get(number_field(order))
            if not number:
                continue
            if not data.get("express_company"):
                self.add_error("express_company", "填写了快递单号，请选择快递公司")
            other = parcels.setdefault(number, order)
            if (other.phone, other.address, other.receiver_name) != (order.phone, order.address, order.receiver_name):
                self.add_error(number_field(order), f"与订单 {other} 的单号相同，收件人却不同，是否重复扫描？")
        return data

    def values(self, row: Order) -> dict[str, Any]:
        data = self.cleaned_data
        return {"express_company": data["express_company"], "express_no": data[number_field(row)]}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        rows = []
        for order, row in zip(self.orders, cells, strict=True):
            field = self[number_field(order)]
            field.field.widget.attrs |= {"aria-label": f"订单 {order} 的快递单号", "data-tracking": ""}
            wrong = format_html_join("", '<p class="bo-wrong">{}</p>', ((error,) for error in field.errors))
            rows.append([*row, format_html("{}{}", field, wrong)])
        return table([*titles, "快递单号"], rows)


def number_field(order: Order) -> str:
    return f"express_no_{order.pk}"


class ParcelForm(ButtonForm):
    express_company = forms.ChoiceField(label="快递公司", required=False)
    express_no = TrackingField(label="快递单号")

    def __init__(self, data: Any, *, rows: list[Order], request: HttpRequest) -> None:
        super().__init__(data, rows=rows, request=request)
        order = rows[0]
        self.initial = {"express_company": order.express_company, "express_no": order.express_no}
        fields: dict[str, Any] = self.fields
        fields["express_company"].choices = courier_choices(order.express_company)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("express_no") and not data.get("express_company"):
            self.add_error("express_company", "填写了快递单号，请选择快递公司")
        return data


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
