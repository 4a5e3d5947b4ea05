"""The list of orders: its columns and filters, and the bar above it with the work lists and their numbers."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
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
from core.times import day_begins, day_of, local
from permissions.scope import scope_of
from shop.admin.order_cells import OrderCells
from shop.admin.order_steps import PACKING, WORK_LISTS, WorkList, step_names
from shop.models import Courier, NoParcel, Order, OrderLine
from shop.order_states import PayStatus, ShippingStatus, State
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
