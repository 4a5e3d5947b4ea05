"""The forms about parcels: who gets it, who carries it, under which number."""

import re
from typing import Any

from django import forms
from django.contrib import admin
from django.forms.widgets import Script
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.admin.base import OfficeAdmin
from core.admin.tables import table
from shop.models import Courier, Order
from shop.models.order import ADDRESS_LENGTH, PHONE_LENGTH, RECIPIENT_LENGTH, TRACKING_LENGTH

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


class ShipForm(forms.Form):
    """One courier for all orders, and a number for each."""

    first = ("express_company",)  # a scanner that ends the last number with Enter sends the form
    express_company = forms.ChoiceField(label="快递公司", required=False)

    class Media:
        js = [Script("backoffice/shipping.js", defer=True)]
        css = {"all": ["backoffice/orders.css"]}

    def __init__(self, orders: list[Order], data: Any = None, *, courier: str = "") -> None:
        super().__init__(data, initial={"express_company": courier})
        self.orders = orders
        fields: dict[str, Any] = self.fields
        fields["express_company"].choices = courier_choices()
        for order in orders:
            fields[number_field(order)] = TrackingField(label=f"快递单号 {order}")
        self.in_table = {number_field(order) for order in orders}

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


def number_field(order: Order) -> str:
    return f"express_no_{order.pk}"


def ship_table(form: ShipForm, titles: list[str], rows: list[list[Any]]) -> SafeString:
    """Return the table of the orders to ship, with a field for the parcel's number in each row."""
    cells = []
    for order, row in zip(form.orders, rows, strict=True):
        field = form[number_field(order)]
        field.field.widget.attrs |= {"aria-label": f"订单 {order} 的快递单号", "data-tracking": ""}
        wrong = format_html_join("", '<p class="bo-wrong">{}</p>', ((error,) for error in field.errors))
        cells.append([*row, format_html("{}{}", field, wrong)])
    return table([*titles, "快递单号"], cells)


class ParcelForm(forms.Form):
    express_company = forms.ChoiceField(label="快递公司", required=False)
    express_no = TrackingField(label="快递单号")

    def __init__(self, data: Any = None, *, order: Order) -> None:
        super().__init__(data, initial={"express_company": order.express_company, "express_no": order.express_no})
        fields: dict[str, Any] = self.fields
        fields["express_company"].choices = courier_choices(order.express_company)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("express_no") and not data.get("express_company"):
            self.add_error("express_company", "填写了快递单号，请选择快递公司")
        return data


class ReceiverForm(forms.Form):
    recipient = forms.CharField(label="收件人", required=False, max_length=RECIPIENT_LENGTH)
    phone = forms.CharField(label="电话", required=False, max_length=PHONE_LENGTH)
    address = forms.CharField(label="收货地址", required=False, max_length=ADDRESS_LENGTH)

    def __init__(self, data: Any = None, *, order: Order) -> None:
        initial = {"recipient": order.recipient, "phone": order.phone, "address": order.address}
        super().__init__(data, initial=initial)
