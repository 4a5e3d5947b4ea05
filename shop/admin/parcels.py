"""The parcels of orders: a form in which numbers are typed, scanned, pasted, or taken from a courier's sheet."""

import re
import unicodedata
from collections import defaultdict
from typing import Any, NamedTuple

from django import forms
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core import times
from core.admin.buttons import ButtonForm
from core.admin.phones import are_phones_whole, phone_masked, phone_shown
from core.admin.tables import table
from core.money import number_typed
from core.sheets.read import Rows, SheetRefused, rows_sent
from permissions.scope import scope_of
from shop.models import Courier, NoParcel, Order
from shop.models.courier import NUMBER_RULE, NUMBERS, TRACKING_LENGTH, courier_of, parcel_number
from shop.order_states import GOING_BACK
from shop.services.order_paid import ORDER_NUMBER
from shop.services.parcels import Parcel, parcels_doubted, parcels_refused

BY_HAND, LATER = ":hand", ":later"
NO_COURIER = {BY_HAND: NoParcel.BY_HAND, LATER: NoParcel.LATER}  # choices beside the couriers
_CHOICES = {str(reason): name for name, reason in NO_COURIER.items()}
TITLES = ("快递单号", "快递公司", "快递费（元）")
LAST_COURIER = "last_courier"  # of this session: the next parcels usually go by the same
MAX_PROBLEMS, MAX_QUOTED = 20, 200


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
        data: Any = self.data
        # Those of the last sheet are posted along, so that a refused confirmation does not lose them.
        problems = [*dict.fromkeys(data.getlist("problem"))][: MAX_PROBLEMS + 1] if self.is_bound else []
        self.problems, self.filled, self.doubted = [text[: 2 * MAX_QUOTED] for text in problems], 0, ""
        names = Courier.objects.filter(is_active=True).values_list("name", flat=True)
        self.couriers = list(dict.fromkeys([*names, *filter(None, (order.express_company for order in self.rows))]))
        self.file = self.request.FILES.get("sheet")
        self.fills = self.is_bound and bool(self.file or self.data.get("pasted", "").strip())
        if self.fills:
            self._fill_in()
        choices = [("", "请选择"), *((name, name) for name in self.couriers)]
        choices += [(name, reason.label) for name, reason in NO_COURIER.items()]
        usual = "" if self.is_correction else self.request.session.get(LAST_COURIER, "")
        for order in self.rows:
            number = TrackingField(order.express_no, **{"data-tracking": "sent" if self.is_correction else ""})
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
            for name, title, field in zip(_parcel_names(order), TITLES, (number, courier, fee), strict=True):
                field.widget.attrs["aria-label"] = f"订单 {order} 的{title}"
                self.fields[name] = field
        self.in_table = self.fields.keys()

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
                guess = courier_of(parcel.number.upper())
                alike = (name for name in self.couriers if name[:2] == parcel.courier[:2])  # 极兔 is 极兔速递
                guesses = (name for name in (parcel.courier, guess, *alike) if name in self.couriers)
                is_known = order.express_no == parcel_number(parcel.number)
                data[number] = parcel.number
                data[courier] = order.express_company if is_known else next(guesses, "")
                data[fee] = number_typed(parcel.fee) or data.get(fee, "")
        self.data = data

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


# --- Which parcel is whose: a courier's own export, or two columns that were copied in a spreadsheet ---
MAX_HEAD_ROW = 10
# What couriers call a column. Where a sheet has several of these columns, the name that comes first here counts.
_HEADS = {
    "parcel": "快递单号 运单号 运单号码 运单编号 快递运单号 物流单号 物流运单号 快件单号 邮件号 单号",
    "order": "订单号 订单编号 商家订单号 客户订单号 商户订单号 外部订单号 平台订单号 参考号",
    "phone": "收件人电话 收件电话 收件人手机 收件手机 收件人手机号 收件人联系方式 收方电话 收方手机 电话 手机 手机号",
    "courier": "快递公司 快递公司名称 快递 物流公司 承运商 承运商名称",
    "fee": "快递费 运费 邮费 快递费用 快递运费 运费金额 运费合计 费用 应付金额",
}
_WITH_COUNTRY = re.compile(r"86(1\d{10})")


class SheetParcel(NamedTuple):
    """A parcel as the sheet writes it."""

    number: str
    courier: str
    fee: str


def parcels_of(orders: list[Order], rows: Rows) -> tuple[dict[int, SheetParcel], list[str]]:
    """Return the parcels by the keys of their orders, and each row that fits none of ``orders`` with the reason."""
    parcels: dict[int, SheetParcel] = {}
    problems = []
    names = _names(orders)
    heads = [_places(texts) for _, texts in rows[:MAX_HEAD_ROW]]
    head = next((at for at, places in enumerate(heads) if places.keys() - {"courier"} > {"parcel"}), None)
    places = {} if head is None else heads[head]
    for row, texts in rows if head is None else rows[head + 1 :]:
        cells = _by_places(texts, places)
        if not places.keys() & {"order", "phone"}:  # no heads; or those of a bill, which has parcels and fees
            cells = _by_order(texts, names) | cells
        if not any(cells.values()):
            continue
        parcel = SheetParcel(*(cells.get(name, "") for name in ("parcel", "courier", "fee")))
        keys = [_name(cells.get("order", "")), _sent_under(parcel.number), _name(cells.get("phone", ""))]
        # The parcel of an order that is not here must not go to another order of the same buyer.
        keys = keys[:1] if ORDER_NUMBER.fullmatch(keys[0]) else keys
        matches = next((names[key] for key in keys if key in names), [])
        if problem := _problem(parcel, matches, parcels):
            quoted = dict.fromkeys(filter(None, cells.values()))  # without heads of orders the number is there twice
            problems.append(f"第 {row} 行 {' '.join(quoted)[:MAX_QUOTED]}：{problem}")
        else:
            parcels[matches[0].pk] = parcel
    more = len(problems) - MAX_PROBLEMS
    return parcels, [*problems[:MAX_PROBLEMS], *([f"另有 {more} 行没有填入"] if more > 0 else [])]


def _places(texts: list[str]) -> dict[str, int]:
    heads = [re.sub(r"[\W_]|元\W?$", "", text) for text in texts]
    columns = {name: [heads.index(word) for word in words.split() if word in heads] for name, words in _HEADS.items()}
    return {name: places[0] for name, places in columns.items() if places}


def _by_places(texts: list[str], places: dict[str, int]) -> dict[str, str]:
    return {name: texts[at].strip() for name, at in places.items() if at < len(texts)}


def _by_order(texts: list[str], names: dict[str, list[Order]]) -> dict[str, str]:
    """Find in a row without heads what names the order, else the first text; the next text is the parcel's number."""
    numbers = [text for text in texts if ORDER_NUMBER.fullmatch(_name(text))]
    order = [*numbers, *(text for text in texts if _name(text) in names), texts[0]][0]
    return {"order": order, "parcel": next((text for text in texts if text and text != order), "")}


def _problem(parcel: SheetParcel, matches: list[Order], parcels: dict[int, SheetParcel]) -> str:
    if not parcel.number:
        return "没有快递单号"
    if not matches:
        return "不是这里的订单"
    if len(matches) > 1:
        return f"{len(matches)} 个订单是这个电话或单号，请写订单号"
    other = parcels.get(matches[0].pk, parcel)
    fee = f" 快递费 {other.fee}" if other.fee else ""
    return "" if other == parcel else f"这个订单已经有单号 {other.number}{fee}"


def _names(orders: list[Order]) -> dict[str, list[Order]]:
    """Return the orders by what a sheet may call them: number, parcel, or phone, which couriers mask as we do."""
    names: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        sent_under = _sent_under(order.express_no)
        for name in {order.order_id, sent_under, phone_shown(order), phone_masked(order.phone)} - {""}:
            names[name].append(order)
    return dict(names)


def _sent_under(number: str) -> str:
    """Return the name of an order that has left under this number: one that no text in a sheet is taken for."""
    known = parcel_number(number)
    return f"#{known}" if known else ""


def _name(text: str) -> str:
    name = re.sub(r"[^0-9A-Za-z*]", "", unicodedata.normalize("NFKC", text))
    name = _WITH_COUNTRY.sub(r"\1", name) if len(name) == 13 else name
    # Who may not see whole phones must not find them out by trying: for them a sheet's phones are masked, too.
    return phone_masked(name) if len(name) == 11 and not are_phones_whole(Order) else name
