"""The parcels of orders: a form in which numbers are typed, scanned, pasted, or taken from a courier's sheet."""

from typing import Any

from django import forms
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core import times
from core.admin.buttons import ButtonForm
from core.admin.tables import table
from core.money import number_typed
from core.sheets.read import SheetRefused, rows_sent
from permissions.scope import scope_of
from shop.admin.parcel_sheets import MAX_PROBLEMS, MAX_QUOTED, SheetParcel, parcels_of
from shop.models import Courier, NoParcel, Order
from shop.models.courier import NUMBER_RULE, NUMBERS, TRACKING_LENGTH, courier_of, parcel_number
from shop.order_states import GOING_BACK
from shop.services.parcels import Parcel, parcels_doubted, parcels_refused

BY_HAND, LATER = ":hand", ":later"
NO_COURIER = {BY_HAND: NoParcel.BY_HAND, LATER: NoParcel.LATER}  # choices beside the couriers
_CHOICES = {str(reason): name for name, reason in NO_COURIER.items()}
TITLES = ("快递单号", "快递公司", "快递费（元）")
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
    """A number, a courier and a fee for each order. A sheet or a pasted text fills them in, to be confirmed."""

    pasted = forms.CharField(required=False)
    sheet = forms.FileField(required=False)
    sure_numbers = forms.CharField(required=False)  # the numbers that staff have looked at again
    is_correction = False

    class Media:
        js = [Script("backoffice/shipping.js", defer=True)]
        css = {"all": ["backoffice/transfer.css", "backoffice/orders.css"]}

    def build(self) -> None:
        self.problems, self.filled, self.doubted = self._problems_posted(), 0, ""
        names = Courier.objects.filter(is_active=True).values_list("name", flat=True)
        self.couriers = list(dict.fromkeys([*names, *filter(None, (order.express_company for order in self.rows))]))
        self.file = self.request.FILES.get("sheet")
        self.fills = self.is_bound and bool(self.file or self.data.get("pasted", "").strip())
        if self.fills:
            self._fill_in()
        for order in self.rows:
            for name, title, field in zip(_parcel_names(order), TITLES, self._fields_of(order), strict=True):
                field.widget.attrs["aria-label"] = f"订单 {order} 的{title}"
                self.fields[name] = field
        self.in_table = self.fields.keys()

    def _problems_posted(self) -> list[str]:
        """Return those of the last sheet: they are posted along, so that a refused confirmation does not lose them."""
        data: Any = self.data
        problems = dict.fromkeys(data.getlist("problem")) if self.is_bound else ()
        return [text[: 2 * MAX_QUOTED] for text in problems][: MAX_PROBLEMS + 1]

    def _fields_of(self, order: Order) -> tuple[forms.Field, forms.Field, forms.Field]:
        """Make the fields of an order's parcel: its number, its courier and the fee."""
        number = TrackingField(order.express_no, **{"data-tracking": "sent" if self.is_correction else ""})
        usual = "" if self.is_correction else self.request.session.get(LAST_COURIER, "")
        choices = [("", "请选择"), *((name, name) for name in self.couriers)]
        choices += [(name, reason.label) for name, reason in NO_COURIER.items()]
        courier = forms.ChoiceField(choices=choices, required=False, initial=_courier_shown(order) or usual)
        number.disabled = courier.disabled = is_over(order)
        fee = forms.DecimalField(
            required=False,
            min_value=0,
            max_digits=8,
            decimal_places=2,
            initial=order.courier_fee,
            widget=forms.TextInput({"data-fee": "", "inputmode": "decimal", "size": "7", "autocomplete": "off"}),
        )
        return number, courier, fee

    def _fill_in(self) -> None:
        """Put the parcels of the sheet or the text into the posted data."""
        parcels: dict[int, SheetParcel] = {}
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        try:
            parcels, self.problems = parcels_of(self.rows, rows_sent(data.get("pasted", ""), self.file))
        except SheetRefused as refusal:
            self.problems = [refusal.msg]
        self.filled, data["pasted"] = len(parcels), ""
        for order in self.rows:
            if parcel := parcels.get(order.pk):
                number, courier, fee = _parcel_names(order)
                data[number] = parcel.number
                data[courier] = self._courier_guessed(order, parcel)
                data[fee] = number_typed(parcel.fee) or data.get(fee, "")
        self.data = data

    def _courier_guessed(self, order: Order, parcel: SheetParcel) -> str:
        """Return the courier that the sheet names, else that of the number's form, else one of a like name, or ""."""
        if order.express_no == parcel_number(parcel.number):
            return order.express_company
        alike = (name for name in self.couriers if name[:2] == parcel.courier[:2])  # 极兔 is 极兔速递
        guesses = (parcel.courier, courier_of(parcel.number.upper()), *alike)
        return next((name for name in guesses if name in self.couriers), "")

    def is_valid(self) -> bool:
        return super().is_valid() and not self.fills

    def clean(self) -> dict[str, Any]:
        data, parcels = super().clean() or {}, dict[Order, Parcel]()
        for order in self.rows:
            number, courier, fee = _parcel_names(order)
            parcels[order] = parcel = Parcel(data.get(number) or "", data.get(courier, ""))
            is_unchanged = parcel == (order.express_no, _courier_shown(order))
            may_stay = is_over(order) or (self.is_correction and is_unchanged)
            if parcel.number and parcel.courier in ("", *NO_COURIER):
                self.add_error(courier, "填写了快递单号，请选择快递公司")
            elif not parcel.number and parcel.courier not in NO_COURIER and not may_stay:
                self.add_error(number, "没有快递单号：请填写，或在右边选“自取、面交”“单号以后补”")
            if is_over(order) and not self.fills and self.data.get(number, order.express_no) != order.express_no:
                self.add_error(number, "订单已全额退款，只能改快递费")
            if parcel.courier == BY_HAND and data.get(fee) is not None:
                self.add_error(fee, "自取、面交没有快递费")
        for order, refusal in parcels_refused(parcels).items():
            self.add_error(_parcel_names(order)[0], refusal)
        doubts = parcels_doubted(parcels, scope=scope_of(self.request.user), now=times.now())
        self.doubted = " ".join(sorted({parcels[order].number for order in doubts}))
        if self.doubted != data.get("sure_numbers"):
            for order, doubt in doubts.items():
                self.add_error(_parcel_names(order)[0], doubt)
        return data

    def values(self, row: Order) -> dict[str, Any]:
        number, courier, fee = (self.cleaned_data[name] for name in _parcel_names(row))
        reason = NO_COURIER.get(courier, "")
        parcel = {"express_company": "" if reason else courier, "express_no": number, "no_parcel": str(reason)}
        return parcel | {"courier_fee": fee}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        orders = zip(self.rows, cells, strict=True)
        rows = [[*row, *(self.cell(name) for name in _parcel_names(order))] for order, row in orders]
        fill_in = render_to_string("shop/parcels.html", {"form": self, "forms_of_numbers": NUMBERS})
        shown = fill_in + table([*titles, *TITLES], rows)
        if not self.doubted:
            return shown
        box = '<input type="checkbox" name="sure_numbers" value="{0}"> 已核对，单号没有错：{0}'
        return shown + format_html('<label class="bo-check">{}</label>', format_html(box, self.doubted))


def is_over(order: Order) -> bool:
    """Tell whether its fee alone may still be filled in, because all of its money goes back."""
    return order.state in GOING_BACK


def _courier_shown(order: Order) -> str:
    """Return what the list of couriers shows of the order: "" while it has neither a courier nor a reason for none."""
    return order.express_company or _CHOICES.get(order.no_parcel, "")


def _parcel_names(order: Order) -> tuple[str, str, str]:
    """Name the order's fields: of the parcel's number, of its courier, and of the courier's fee."""
    return f"express_no_{order.pk}", f"express_company_{order.pk}", f"courier_fee_{order.pk}"
