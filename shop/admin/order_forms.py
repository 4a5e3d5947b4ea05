"""The forms of an order's buttons but that of parcels: who gets them, refunds of a part, remarks and flags."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core import signing
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.admin.buttons import ButtonForm
from core.admin.phones import may_see_phones
from core.money import fen_to_yuan
from payments.selectors import refunds_of_order
from shop.admin.order_display import OrderCells
from shop.admin.parcels import ParcelForm, TrackingField
from shop.models import Order, OrderLine
from shop.models.order import REMARK_LENGTH
from shop.order_states import ASKED, ReturnStep
from shop.services.order_move import field_words

_SALT = "shop.admin.order_forms"
_SHELF = (("", "请选择"), ("yes", "放回货架，可以再卖"))


class CorrectingForm(ButtonForm):
    """Changes ``names`` of orders, and carries, signed, what its page showed of them.

    See ``order_correct`` and ``order_unflag``.
    """

    names: tuple[str, ...]
    seen = forms.CharField(required=False)
    in_table = ("seen",)

    def clean_seen(self) -> dict[str, dict[str, str]]:
        try:
            seen: dict[str, dict[str, str]] = signing.loads(self.cleaned_data["seen"], salt=_SALT)
        except signing.BadSignature:
            seen = {}
        return seen

    def values(self, row: Order) -> dict[str, Any]:
        return super().values(row) | {"seen": self.cleaned_data["seen"].get(row.order_id, {})}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        seen = self.data.get("seen", "")
        # A valid form comes back where the service has refused it: now the page tells what the colleague wrote.
        if not self.is_bound or self.is_valid():
            fields = ({name: getattr(order, name) for name in self.names} for order in self.rows)
            words = {order.order_id: field_words(one) for order, one in zip(self.rows, fields, strict=True)}
            seen = signing.dumps(words, salt=_SALT, compress=True)
        return super().table(titles, cells) + format_html('<input type="hidden" name="seen" value="{}">', seen)


class SentForm(CorrectingForm, ParcelForm):
    names = ("express_company", "express_no", "no_parcel", "courier_fee")
    is_correction = True


class FieldsForm(CorrectingForm):
    """Fields of one order, with what they hold."""

    help_texts: ClassVar[dict[str, str]] = {}

    def build(self) -> None:
        self.fields |= forms.fields_for_model(Order, self.names, help_texts=self.help_texts)
        self.initial = {name: getattr(self.rows[0], name) for name in self.names}


class ReceiverForm(FieldsForm):
    names: tuple[str, ...] = ("recipient", "phone", "address")

    def build(self) -> None:
        if not may_see_phones(self.request.user, Order):
            self.names = ("recipient", "address")
        super().build()


class InvoiceForm(FieldsForm):
    names = ("invoice_no",)
    help_texts: ClassVar = {"invoice_no": "清空就是没有开票"}


class ReturnNumberForm(CorrectingForm):
    names = ("return_no",)

    def build(self) -> None:
        self.fields |= {"return_no": TrackingField(self.rows[0].return_no)}


class RemarkForm(ButtonForm):
    text = forms.CharField(
        label="内部备注", max_length=REMARK_LENGTH, widget=forms.Textarea({"rows": 2, "maxlength": REMARK_LENGTH})
    )


class UnflagForm(CorrectingForm):
    names = ("flag_reason",)


class PiecesForm(ButtonForm):
    """Asks for pieces of the lines of one order, in a table of its lines; and whether they go back on the shelf."""

    template: str
    what, refusal = "退几件", "最多还能退 {} 件"

    def build(self) -> None:
        self.order = self.rows[0]
        self.lines = list(self.order.lines.select_related("product").order_by("pk"))
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

    def values(self, row: Order) -> dict[str, Any]:
        return {"quantities": self.pieces(), "is_restocked": self.cleaned_data.get("shelf") == "yes"}

    def table(self, titles: list[str], cells: list[list[Any]]) -> SafeString:
        names = [_pieces_name(line) for line in self.lines]
        fields = [self.cell(name) if name in self.fields else "" for name in names]
        context = {"form": self, "order": self.order, "lines": zip(self.lines, fields, strict=True)}
        return render_to_string(self.template, context | self.context())

    def context(self) -> dict[str, Any]:
        return {}


class ReturnForm(PiecesForm):
    """What of an order's goods has come back."""

    template = "shop/return.html"
    what, refusal = "收到几件", "最多还能收到 {} 件"
    shelf = forms.ChoiceField(label="收到的商品", choices=[*_SHELF, ("no", "不放回（损坏，不能再卖）")])

    def most(self, line: OrderLine) -> int:
        return 0 if line.vip_level else line.outside

    def clean(self) -> None:
        if not self.errors and not self.pieces():
            raise forms.ValidationError("请填写收到几件")


class PartForm(PiecesForm):
    template = "shop/part_refund.html"
    amount = forms.DecimalField(
        label="退款金额（元）", max_digits=12, decimal_places=2, min_value=Decimal("0.01"), localize=False
    )
    shelf = forms.ChoiceField(
        label="退的商品",
        choices=[*_SHELF, ("no", "不放回（损坏、丢失，或还没有收到）")],
        required=False,
        help_text="退了商品的必选；只退金额的不用选",
    )
    refunds_seen = forms.IntegerField(min_value=0, error_messages={"required": "请核对下面的数字再办"})

    class Media:
        js = [Script("backoffice/part_refund.js", defer=True)]
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
        money = {name: self.cleaned_data[name] for name in ("amount", "refunds_seen")}
        return super().values(row) | money

    def context(self) -> dict[str, Any]:
        """Return how much of the order's money can still be refunded, and what the buyer says."""
        refunds = refunds_of_order(out_trade_no=self.order.order_id)
        sums = {"claimed": fen_to_yuan(refunds.claimed_fen), "rest": fen_to_yuan(refunds.rest_fen)}
        reason = OrderCells([self.order]).reason(self.order) if self.order.state in ASKED else ""
        return sums | {"number": refunds.number, "reason": reason}


def _pieces_name(line: OrderLine) -> str:
    return f"quantity_{line.pk}"
