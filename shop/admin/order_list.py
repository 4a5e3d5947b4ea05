"""The list of orders: its columns and filters, the bar with the work lists above it, and its export."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.views import ChangeList

from core import times
from core.admin.base import AtLeast, ChoiceFilter
from core.admin.buttons import PRESS
from core.admin.listing import query_kept
from core.money import fen_to_yuan
from core.times import day_begins, day_of, local
from payments.models import Refund
from permissions.scope import scope_of
from runs.exports import ExportColumn, ExportSheet
from shop.admin.order_display import OrderCells
from shop.admin.order_steps import PACKING, WORK_LISTS, WorkList, step_names
from shop.models import Courier, NoParcel, Order, OrderLine, OrderLog
from shop.models.order import logged
from shop.order_states import Event, PayStatus, ShippingStatus, State
from shop.selectors import orders_counted

MAX_SHOWN = 99  # a tab says 99+ where more orders wait
MAX_TEXT = 64
WORK = "work"  # the parameter that names the work list
FIRST, LAST = "created_at_from", "created_at_to"
# The names of the bar's fields in the address: those of the filters below, and fields of an order, which need none.
OF_FILTERS = (FIRST, LAST, "product", "invoiced", "flagged", "parcel")
NAMES = (*OF_FILTERS, "state__exact", "express_company__exact", "username__startswith")


def work_list_of(request: HttpRequest) -> WorkList | None:
    return WORK_LISTS.get(request.GET.get(WORK, ""))


# --- The filters ---
class WorkListFilter(ChoiceFilter):
    title, parameter_name = "工作清单", WORK
    conditions: ClassVar = {name: (work.label, work.rows) for name, work in WORK_LISTS.items()}


class FlagFilter(ChoiceFilter):
    title, parameter_name = "关注", "flagged"
    conditions: ClassVar = {"1": ("需关注", Q(flagged_at__isnull=False))}


class ParcelFilter(ChoiceFilter):
    title, parameter_name = "快递单号", "parcel"
    conditions: ClassVar = {
        "later": (
            NoParcel.LATER.label,
            Q(no_parcel=NoParcel.LATER, express_no="", shiping_status=ShippingStatus.SHIPPED),
        )
    }


class InvoiceFilter(ChoiceFilter):
    title, parameter_name = "发票", "invoiced"
    conditions: ClassVar = {
        "yes": ("已开票", ~Q(invoice_no="")),
        "no": ("未开票", Q(pay_status=PayStatus.PAID, invoice_no="")),
    }


class ProductFilter(ChoiceFilter):
    """Filter by a text in the name of a product of the order."""

    title, parameter_name = "商品", "product"
    conditions: ClassVar = {}

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()[:MAX_TEXT]
        lines = OrderLine.objects.filter(product__name__icontains=text)
        return queryset.filter(pk__in=lines.values("order")) if text else queryset


class DayRangeFilter(admin.FieldListFilter):
    """Filter by a range of days. The last day counts in full."""

    def expected_parameters(self) -> list[str | None]:
        return [FIRST, LAST]

    def choices(self, changelist: Any) -> Iterator[Any]:
        return iter(())  # its fields are in the bar

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        texts: Any = self.used_parameters
        first, last = (day_of(texts[name][-1]) if name in texts else None for name in (FIRST, LAST))
        if first:
            queryset = queryset.filter(created_at__gte=day_begins(first))
        if last:
            queryset = queryset.filter(created_at__lt=day_begins(last + timedelta(days=1)))
        return queryset


# --- The list ---
class ListCells(OrderCells):
    """The columns of the list. The rows of a work list also offer its buttons.

    :param buttons: name and text of each.
    """

    buttons: Sequence[tuple[str, str]] = ()

    @display(description="操作")
    def steps(self, order: Order) -> SafeString | str:
        names = {PACKING, *step_names(order, self)}
        steps = [(name, text) for name, text in self.buttons if name in names]
        context = {"order": order, "steps": steps, "packing": PACKING, "press": PRESS}
        return render_to_string("shop/steps.html", context) if steps else ""


class OrderList(ChangeList):
    """A list whose columns are :class:`ListCells`. A work list is a page of its own, in its own order."""

    def __init__(self, request: HttpRequest, model: type[Order], list_display: Sequence[Any], *options: Any) -> None:
        cells = ListCells()
        super().__init__(request, model, cells.columns(list_display), *options)
        cells.orders, cells.buttons = self.result_list, self.model_admin.list_steps(request)
        self.has_filters = False  # they are in the bar above the list
        work = work_list_of(request)
        self.has_active_filters = bool(self.get_filters_params().keys() - ({WORK} if work else set()))
        self.sortable_by = () if work else self.list_display


def query_without_blanks(query: QueryDict) -> QueryDict:
    """Leave out the bar's empty fields, which would find nothing."""
    kept = query.copy()
    for name in NAMES:
        if kept.get(name) == "":
            del kept[name]
    return kept


def bar_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the bar shows: the work lists with their numbers, and the fields of the filter."""
    lists = {name: work.rows for name, work in WORK_LISTS.items()}
    counts = orders_counted(lists, limit=MAX_SHOWN, scope=scope_of(request.user))
    numbers = {name: AtLeast(MAX_SHOWN) if count > MAX_SHOWN else count for name, count in counts.items()}
    others = [(name, value) for name, value in request.GET.items() if name not in NAMES and query_kept(f"{name}=1")]
    filters = {name: value for name in NAMES if (value := request.GET.get(name))}
    today = local(times.now()).date()
    yesterday, monday = today - timedelta(days=1), today - timedelta(days=today.weekday())
    spans = {"今天": (today, today), "昨天": (yesterday, yesterday), "本周": (monday, today)}
    spans["本月"] = today.replace(day=1), today
    days = [(label, {FIRST: str(first), LAST: str(last)}) for label, (first, last) in spans.items()]
    return {
        "tabs": [(name, work, numbers[name]) for name, work in WORK_LISTS.items()],
        "bar": {
            "kept": others,
            "values": dict.fromkeys(NAMES, "") | filters,
            "is_active": bool(filters),
            "without": urlencode(others),
            "days": [
                (label, urlencode(dict(others) | filters | span), span.items() <= filters.items())
                for label, span in days
            ],
            "states": State.choices,
            "couriers": list(Courier.objects.values_list("name", flat=True)),
        },
    }


# --- The export ---
PORTION = 2_000
_SHIPPING = logged(Event.SHIP, Event.UNSHIP)


@dataclass(frozen=True)
class OrderRow:
    """An order with what the file has of other tables."""

    order: Order
    shipped_at: datetime | None
    refunds: list[Refund]


def orders_loaded(orders: Iterable[Order]) -> Iterator[OrderRow]:
    remaining = iter(orders)
    while portion := list(islice(remaining, PORTION)):
        logs = OrderLog.objects.filter(_SHIPPING, order__in=[order.pk for order in portion]).order_by("pk")
        shipping_times = {log.order_id: log.at if log.tells_of(Event.SHIP) else None for log in logs}
        refunds = OrderCells([order for order in portion if order.refunded]).refunds
        for order in portion:
            yield OrderRow(order, shipping_times.get(order.pk), refunds.get(order.order_id, []))


def _received_yuan(row: OrderRow) -> Decimal:
    return row.order.total if row.order.pay_status == PayStatus.PAID else Decimal(0)


PHONE = ExportColumn("电话", 14, attrgetter("order.phone"))
ORDER_COLUMNS = (
    ExportColumn("订单号", 34, attrgetter("order.order_id")),
    ExportColumn("下单时间", 20, attrgetter("order.created_at")),
    ExportColumn("买家", 14, attrgetter("order.username")),
    ExportColumn("状态", 12, attrgetter("order.state_label")),
    ExportColumn("商品", 40, lambda row: "；".join(str(line) for line in row.order.lines.all())),
    ExportColumn("件数", 8, lambda row: sum(line.quantity for line in row.order.lines.all())),
    ExportColumn("金额（元）", 12, attrgetter("order.total"), True),
    ExportColumn("实收（元）", 12, _received_yuan, True),
    ExportColumn("已退款（元）", 12, attrgetter("order.refunded"), True),
    ExportColumn("付款时间", 20, attrgetter("order.paid_at")),
    ExportColumn("发货时间", 20, attrgetter("shipped_at")),
    ExportColumn("微信支付订单号", 32, attrgetter("order.transaction_id")),
    ExportColumn("收件人", 12, attrgetter("order.receiver_name")),
    PHONE,
    ExportColumn("收货地址", 40, attrgetter("order.address")),
    ExportColumn("快递公司", 12, attrgetter("order.express_company")),
    ExportColumn("快递单号", 20, attrgetter("order.express_no")),
    ExportColumn("快递费（元）", 12, attrgetter("order.courier_fee"), True),
    ExportColumn("发票号码", 22, attrgetter("order.invoice_no")),
    ExportColumn("说明", 30, attrgetter("order.note")),
    ExportColumn("需关注", 30, attrgetter("order.flag_reason")),
)
_LINES = (
    ExportColumn("订单号", 34, lambda line: line.order.order_id),
    ExportColumn("下单时间", 20, lambda line: line.order.created_at),
    ExportColumn("状态", 12, lambda line: line.order.state_label),
    ExportColumn("商品编号", 20, lambda line: line.product_code),
    ExportColumn("商品", 30, lambda line: line.title),
    ExportColumn("单价（元）", 12, lambda line: line.price),
    ExportColumn("数量", 8, lambda line: line.quantity),
    ExportColumn("小计（元）", 12, lambda line: line.amount, True),
    ExportColumn("已退件数", 10, lambda line: line.returned),
)
_REFUNDS = (
    ExportColumn("订单号", 34, lambda refund: refund.payment.out_trade_no),
    ExportColumn("退款单号", 36, lambda refund: refund.out_refund_no),
    ExportColumn("申请时间", 20, lambda refund: refund.created_at),
    ExportColumn("状态", 12, lambda refund: refund.get_state_display()),
    ExportColumn("金额（元）", 12, lambda refund: fen_to_yuan(refund.amount_fen), True),
    ExportColumn("原因", 30, lambda refund: refund.reason),
    ExportColumn("申请人", 14, lambda refund: refund.requested_by),
    ExportColumn("到账时间", 20, lambda refund: refund.refunded_at or refund.offline_at),
)
ORDER_SHEETS = (
    ExportSheet("商品", _LINES, lambda row: row.order.lines.all()),
    ExportSheet("退款", _REFUNDS, attrgetter("refunds")),
)
