"""The bar above the list of orders: the work lists with their numbers, and filters."""

from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.contrib.filters.forms import RangeDateForm

from core import times
from core.admin.base import AtLeast, ChoiceFilter
from core.admin.listing import query_kept
from core.times import day_begins, day_of, local
from permissions.scope import scope_of
from shop.admin.order_steps import WORK_LISTS, WorkList
from shop.admin.parcel_form import LATER, NO_COURIER
from shop.models import Courier, OrderLine, OrderLog
from shop.order_states import PayStatus, ShippingStatus, State
from shop.selectors import orders_counted

MAX_SHOWN = 99  # a tab says 99+ where more orders wait

FIRST, LAST = "created_at_from", "created_at_to"
# The names of the bar's fields in the address. Those that are fields of an order need no filter of their own.
NAMES = (
    FIRST,
    LAST,
    "state__exact",
    "express_company__exact",
    "product",
    "username__startswith",
    "invoiced",
    "flagged",
    "parcel",
)
MAX_TEXT = 64


class WorkListFilter(ChoiceFilter):
    title, parameter_name = "工作清单", "work"
    conditions: ClassVar = {name: (work.label, work.rows) for name, work in WORK_LISTS.items()}


class FlagFilter(ChoiceFilter):
    title, parameter_name = "关注", "flagged"
    conditions: ClassVar = {"1": ("需关注", Q(flagged_at__isnull=False))}


class ParcelFilter(ChoiceFilter):
    title, parameter_name = "快递单号", "parcel"
    conditions: ClassVar = {
        "later": (
            NO_COURIER[LATER],
            Q(
                Exists(OrderLog.objects.filter(order=OuterRef("pk"), detail__endswith=NO_COURIER[LATER])),
                shiping_status=ShippingStatus.SHIPPED,
                express_no="",
            ),
        )
    }


class InvoiceFilter(ChoiceFilter):
    title, parameter_name = "发票", "invoiced"
    conditions: ClassVar = {
        "yes": ("已开票", ~Q(invoice_no="")),
        "no": ("未开票", Q(pay_status=PayStatus.PAID, invoice_no="")),
    }


def work_list_of(request: HttpRequest) -> WorkList | None:
    return WORK_LISTS.get(request.GET.get(WorkListFilter.parameter_name, ""))


class ProductFilter(admin.SimpleListFilter):
    """Filter by a text in the name of a product of the order."""

    title, parameter_name = "商品", "product"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()[:MAX_TEXT]
        lines = OrderLine.objects.filter(product__name__icontains=text)
        return queryset.filter(pk__in=lines.values("order")) if text else queryset


class DayForm(RangeDateForm):
    class Media: ...  # the bar above the list has fields of the browser instead of the theme's calendar


class DayRangeFilter(RangeDateFilter):
    """Filter by a range of days. The last day counts in full."""

    form_class = DayForm

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for end, lookup, days in (("from", "gte", 0), ("to", "lt", 1)):
            if day := day_of(self.used_parameters.get(f"{self.parameter_name}_{end}", "")):
                moment = day_begins(day + timedelta(days=days))
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": moment})
        return queryset


def query_without_blanks(request: HttpRequest) -> str | None:
    """Return the query string without the bar's empty fields, which would find nothing; None if it has none."""
    blanks = {name for name in NAMES if request.GET.get(name) == ""}
    if not blanks:
        return None
    return urlencode([(name, value) for name, value in request.GET.items() if name not in blanks])


def bar_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the bar shows: the work lists with their numbers, and the fields of the filter."""
    lists = {name: work.rows for name, work in WORK_LISTS.items()}
    counts = orders_counted(lists, limit=MAX_SHOWN, scope=scope_of(request.user))
    numbers = {name: AtLeast(MAX_SHOWN) if count > MAX_SHOWN else count for name, count in counts.items()}
    others = [(name, value) for name, value in request.GET.items() if name not in NAMES and query_kept(f"{name}=1")]
    filters = dict(others) | {name: request.GET[name] for name in NAMES if name in request.GET}
    today = local(times.now()).date()
    yesterday, monday = today - timedelta(days=1), today - timedelta(days=today.weekday())
    days = {"今天": (today, today), "昨天": (yesterday, yesterday), "本周": (monday, today)}
    days["本月"] = today.replace(day=1), today
    spans = {label: {FIRST: str(first), LAST: str(last)} for label, (first, last) in days.items()}
    return {
        "tabs": [(name, work, numbers[name]) for name, work in WORK_LISTS.items()],
        "bar": {
            "kept": others,
            "values": {name: request.GET.get(name, "") for name in NAMES},
            "is_active": any(request.GET.get(name) for name in NAMES),
            "without": urlencode(others),
            "days": [
                (label, urlencode(filters | span), span.items() <= filters.items()) for label, span in spans.items()
            ],
            "states": State.choices,
            "couriers": list(Courier.objects.values_list("name", flat=True)),
        },
    }
