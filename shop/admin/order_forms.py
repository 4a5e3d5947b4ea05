"""The forms of an order's buttons: parcels and who gets them, refunds of a part, remarks and flags."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core import times
from core.admin.buttons import ButtonForm
from core.admin.phones import may_see_phones
from core.admin.tables import table
from core.money import fen_to_yuan, yuan_text
from core.sheets.read import SheetRefused
from payments.selectors import refunds_of_order
from permissions.scope import scope_of
from shop.admin.order_related import Related
from shop.admin.parcel_sheet import Parcel, parcels_of, rows_sent
from shop.models import Courier, Order, OrderLine
from shop.models.courier import NUMBER_RULE, NUMBERS, TRACKING_LENGTH, courier_of, number_fits, parcel_number
from shop.models.order import ADDRESS_LENGTH, INVOICE_LENGTH, PHONE_LENGTH, RECIPIENT_LENGTH, REMARK_LENGTH
from shop.selectors import orders_with_parcels
from shop.services.order_attention import flag_mark
from shop.states import ASKED, ReturnStep

BY_HAND, LATER = ":hand", ":later"  # choices beside the couriers
NO_COURIER = ((BY_HAND, "自取、面交（没有快递）"), (LATER, "单号以后补"))
REUSED_WITHIN = timedelta(days=90)  # couriers give a number again after some months
LAST_COURIER = "last_courier"  # of this session: the next parcels usually go by the same
_SHELF = (("", "请选择"), ("yes", "放回货架，可以再卖"), ("no", "不放回（损坏、丢失，或还没有收到）"))
_HERE = (("", "请选择"), ("yes", "放回货架，可以再卖"), ("no", "不放回（损坏，不能再卖）"))


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
        self.problems, self.filled, self.doubted = list[str](), 0, ""
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
                choices=[("", "请选择"), *((name, name) for name in self.couriers), *NO_COURIER],
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
        data = super().clean() or {}
        parcels: dict[str, Order] = {}
        for order in self.rows:
            number, courier = _parcel_names(order)
            is_by_courier = data.get(courier) not in ("", BY_HAND, LATER)
            if not data.get(number):
                if is_by_courier or not data.get(courier):
                    self.add_error(number, "没有快递单号：请填写，或在右边选“自取、面交”“单号以后补”")
                continue
            if not is_by_courier:
                self.add_error(courier, "填写了快递单号，请选择快递公司")
            other = parcels.setdefault(data[number], order)
            if _receiver(other) != _receiver(order):
                self.add_error(number, f"与订单 {other} 的单号相同，收件人却不同，是否重复扫描？")
        doubts = self._doubts(data, parcels)
        self.doubted = " ".join(sorted({data[name] for name in doubts}))
        if self.doubted != data.get("sure_numbers"):
            for name, doubt in doubts.items():
                self.add_error(name, doubt)
        return data

    def _doubts(self, data: dict[str, Any], parcels: dict[str, Order]) -> dict[str, str]:
        """Return what staff should look at again, by the field: they may confirm that it is right."""
        doubts: dict[str, str] = {}
        others: dict[str, list[Order]] = {}
        pks = {order.pk for order in self.rows}
        for other in orders_with_parcels(parcels, scope=scope_of(self.request.user), since=times.now() - REUSED_WITHIN):
            if other.pk not in pks:
                others.setdefault(other.express_no, []).append(other)
        for order in self.rows:
            name, courier = _parcel_names(order)
            if not (number := data.get(name)) or number == order.express_no:
                continue
            if same := [one for one in others.get(number, ()) if _receiver(one) != _receiver(order)]:
                doubts[name] = f"订单 {same[0]}（{same[0].receiver_name}）已经用这个单号发货，收件人不同"
            elif not number_fits(data.get(courier, ""), number):
                doubts[name] = f"不像{data[courier]}的单号，请核对"
        return doubts

    def values(self, row: Order) -> dict[str, Any]:
        number, courier = (self.cleaned_data[name] for name in _parcel_names(row))
        return {"express_company": courier if number else "", "express_no": number}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        orders = zip(self.rows, cells, strict=True)
        rows = [[*row, *(self.cell(name) for name in _parcel_names(order))] for order, row in orders]
        fill_in = render_to_string("shop/parcels.html", {"form": self, "forms_of_numbers": NUMBERS})
        shown = fill_in + table([*titles, "快递单号", "快递公司"], rows)
        return shown + self._sure() if self.doubted else shown

    def _sure(self) -> SafeString:
        box = '<input type="checkbox" name="sure_numbers" value="{}"> 已核对，单号没有错：{}'
        return format_html('<label class="bo-check">{}</label>', format_html(box, self.doubted, self.doubted))


def _receiver(order: Order) -> tuple[str, str, str]:
    return order.phone, order.address, order.receiver_name


def _parcel_names(order: Order) -> tuple[str, str]:
    """Name the order's two fields: of the parcel's number, and of its courier."""
    return f"express_no_{order.pk}", f"express_company_{order.pk}"


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
        paid, claimed, rest = order.total, fen_to_yuan(refunds.claimed_fen), fen_to_yuan(refunds.rest_fen)
        money = format_html(
            "<p>订单 {}，买家 {}。已付 {} 元，已退（含正在退的）{} 元，"
            '<b>还能退 <span data-rest="{}">{}</span> 元</b>。</p>',
            *(order, order.username, yuan_text(paid), yuan_text(claimed), rest, yuan_text(rest)),
        )
        if order.state in ASKED:
            reason = Related([order]).reason(order)
            money += format_html('<p class="od-ask"><b>买家申请退货</b>：{}</p>', reason)
        field = format_html('<input type="hidden" name="refunds_seen" value="{}">', refunds.number)
        return money + table(("商品", "单价（元）", "买了", "已退", "已收到", "退几件"), rows) + field


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
