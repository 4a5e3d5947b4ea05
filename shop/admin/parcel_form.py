"""The form that gives orders their parcels: typed, scanned, pasted, or from a courier's sheet."""

from typing import Any

from django import forms
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core import times
from core.admin.buttons import ButtonForm
from core.admin.tables import table
from core.sheets.read import SheetRefused, rows_sent
from permissions.scope import scope_of
from shop.admin.parcel_sheet import MAX_PROBLEMS, MAX_QUOTED, parcels_of
from shop.models import Courier, Order
from shop.models.courier import NUMBER_RULE, NUMBERS, TRACKING_LENGTH, courier_of, parcel_number
from shop.services.parcel_checks import Parcel, parcels_doubted, parcels_refused

BY_HAND, LATER = ":hand", ":later"  # choices beside the couriers
NO_COURIER = {BY_HAND: "自取、面交（没有快递）", LATER: "单号以后补"}
LAST_COURIER = "last_courier"  # of this session: the next parcels usually go by the same


class TrackingField(forms.CharField):
    """A parcel's number as people type or scan it: with spaces, in lower case."""

    def __init__(self, initial: str = "", **attrs: str) -> None:
        attrs = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", **attrs}
        super().__init__(
            label="快递单号",
            required=False,
            max_length=2 * TRACKING_LENGTH,
            initial=initial,
            widget=forms.TextInput(attrs),
        )

    def clean(self, value: Any) -> str:
        number = parcel_number(super().clean(value))
        if number is None:
            raise forms.ValidationError(f"快递单号{NUMBER_RULE}")
        return number


class ParcelForm(ButtonForm):
    """A number and a courier for each order. A sheet or a pasted text fills them in, to be looked at and confirmed."""

    pasted = forms.CharField(required=False)
    sheet = forms.FileField(required=False)
    sure_numbers = forms.CharField(required=False)  # the numbers that staff have looked at again

    class Media:
        js = [Script("backoffice/shipping.js", defer=True)]
        css = {"all": ["backoffice/transfer.css", "backoffice/orders.css"]}

    def build(self) -> None:
        data: Any = self.data
        # Those of the last sheet are posted along, so that a refused confirmation does not lose them.
        problems = data.getlist("problem")[: MAX_PROBLEMS + 1] if self.is_bound else []
        self.problems, self.filled, self.doubted = [text[: 2 * MAX_QUOTED] for text in problems], 0, ""
        names = Courier.objects.filter(is_active=True).values_list("name", flat=True)
        self.couriers = list(dict.fromkeys([*names, *filter(None, (order.express_company for order in self.rows))]))
        self.file = self.request.FILES.get("sheet")
        self.fills = self.is_bound and bool(self.file or self.data.get("pasted", "").strip())
        if self.fills:
            self._fill_in()
        fields: dict[str, Any] = self.fields
        for order in self.rows:
            number, courier = _parcel_names(order)
            label = {"aria-label": f"订单 {order} 的快递单号", "data-tracking": ""}
            fields[number] = TrackingField(order.express_no, **label)
            fields[courier] = forms.ChoiceField(
                choices=[("", "请选择"), *((name, name) for name in self.couriers), *NO_COURIER.items()],
                required=False,
                initial=order.express_company or self.request.session.get(LAST_COURIER, ""),
                widget=forms.Select({"aria-label": f"订单 {order} 的快递公司"}),
            )
        self.in_table = fields.keys()

    def _fill_in(self) -> None:
        """Put the parcels of the sheet or the text into the posted data."""
        parcels: dict[int, Parcel] = {}
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        try:
            parcels, self.problems = parcels_of(self.rows, rows_sent(data.get("pasted", ""), self.file))
        except SheetRefused as refusal:
            self.problems = [refusal.msg]
        self.filled, data["pasted"] = len(parcels), ""
        for order in self.rows:
            if parcel := parcels.get(order.pk):
                number, courier = _parcel_names(order)
                guess = courier_of(parcel.number.upper())
                data[number] = parcel.number
                alike = (name for name in self.couriers if name[:2] == parcel.courier[:2])  # 极兔 is 极兔速递
                data[courier] = next((name for name in (parcel.courier, guess, *alike) if name in self.couriers), "")
        self.data = data

    def is_valid(self) -> bool:
        return super().is_valid() and not self.fills

    def clean(self) -> dict[str, Any]:
        data, parcels = super().clean() or {}, dict[Order, Parcel]()
        for order in self.rows:
            number, courier = _parcel_names(order)
            is_by_courier = data.get(courier) not in ("", *NO_COURIER)
            parcels[order] = parcel = Parcel(data.get(number) or "", data.get(courier, ""))
            if parcel.number:
                if not is_by_courier:
                    self.add_error(courier, "填写了快递单号，请选择快递公司")
            elif is_by_courier or not data.get(courier):
                self.add_error(number, "没有快递单号：请填写，或在右边选“自取、面交”“单号以后补”")
        for order, refusal in parcels_refused(parcels).items():
            self.add_error(_parcel_names(order)[0], refusal)
        doubts = parcels_doubted(parcels, scope=scope_of(self.request.user), now=times.now())
        self.doubted = " ".join(sorted({parcels[order].number for order in doubts}))
        if self.doubted != data.get("sure_numbers"):
            for order, doubt in doubts.items():
                self.add_error(_parcel_names(order)[0], doubt)
        return data

    def values(self, row: Order) -> dict[str, Any]:
        number, courier = (self.cleaned_data[name] for name in _parcel_names(row))
        if number:
            return {"express_company": courier, "express_no": number}
        return {"express_company": "", "express_no": "", "without": NO_COURIER[courier]}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        orders = zip(self.rows, cells, strict=True)
        rows = [[*row, *(self.cell(name) for name in _parcel_names(order))] for order, row in orders]
        fill_in = render_to_string("shop/parcels.html", {"form": self, "forms_of_numbers": NUMBERS})
        shown = fill_in + table([*titles, "快递单号", "快递公司"], rows)
        return shown + self._sure() if self.doubted else shown

    def _sure(self) -> SafeString:
        box = '<input type="checkbox" name="sure_numbers" value="{}"> 已核对，单号没有错：{}'
        return format_html('<label class="bo-check">{}</label>', format_html(box, self.doubted, self.doubted))


def _parcel_names(order: Order) -> tuple[str, str]:
    """Name the order's two fields: of the parcel's number, and of its courier."""
    return f"express_no_{order.pk}", f"express_company_{order.pk}"
