"""The bar above the list of orders: the work lists with their numbers, filters, kept filters and chosen columns."""

from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.contrib.filters.forms import RangeDateForm

from core import times
from core.admin.base import AtLeast, ChoiceFilter
from core.admin.listing import list_shown, query_kept
from core.errors import DomainError
from core.ids import pk_of
from core.times import day_begins, day_of, local
from permissions.scope import scope_of
from shop.admin.export_columns import ORDER_COLUMNS
from shop.admin.order_steps import WORK_LISTS, WorkList
from shop.admin.parcel_form import LATER, NO_COURIER
from shop.errors import ShopError
from shop.models import Courier, OrderColumns, OrderLine, OrderLog, OrderView
from shop.models.order import VIEW_NAME_LENGTH, VIEW_QUERY_LENGTH
from shop.order_states import PayStatus, ShippingStatus, State
from shop.selectors import orders_counted
from shop.services.order_views import columns_save, view_delete, view_save

MAX_SHOWN = 99  # a tab says 99+ where more orders wait
MAX_QUERY = 10 * VIEW_QUERY_LENGTH

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
DEFAULT_COLUMNS = (
    *("order_id", "goods", "username", "receiver_name", "phone", "express_no"),
    *("total", "state_label", "created_at", "flag"),
)
# What the file has and a list cannot show.
_IN_FILE_ONLY = {"pieces", "received", "shipped_at"}
# What the list shows instead, by the names of the file's columns.
_SHOWN_AS = {"total": "amount", "refunded": "returned", "phone": "phone_shown"}


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
    """Return what the bar shows: the work lists with their numbers, the kept filters, and the fields of the filter."""
    lists = {name: work.rows for name, work in WORK_LISTS.items()}
    counts = orders_counted(lists, limit=MAX_SHOWN, scope=scope_of(request.user))
    numbers = {name: AtLeast(MAX_SHOWN) if count > MAX_SHOWN else count for name, count in counts.items()}
    query = _canonical_query(request.GET.urlencode())
    others = [(name, value) for name, value in request.GET.items() if name not in NAMES and query_kept(f"{name}=1")]
    filters = dict(others) | {name: request.GET[name] for name in NAMES if name in request.GET}
    today = local(times.now()).date()
    yesterday, monday = today - timedelta(days=1), today - timedelta(days=today.weekday())
    days = {"今天": (today, today), "昨天": (yesterday, yesterday), "本周": (monday, today)}
    days["本月"] = today.replace(day=1), today
    spans = {label: {FIRST: str(first), LAST: str(last)} for label, (first, last) in days.items()}
    return {
        "tabs": [(name, work, numbers[name]) for name, work in WORK_LISTS.items()],
        "views": [(view, view.query == query) for view in OrderView.objects.filter(user=request.user.pk)],
        "view_query": query,
        "view_name_length": VIEW_NAME_LENGTH,
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


def columns_chosen(user: Any) -> list[str]:
    """Return what a member of staff has chosen; nothing: the usual ones."""
    return OrderColumns.objects.filter(user=user.pk).values_list("names", flat=True).first() or []


def columns_shown(user: Any) -> list[str]:
    """Return the columns of the list for a member of staff: the chosen ones, in the order of the file's."""
    selection = columns_chosen(user)
    names = [name for name in ORDER_COLUMNS if name in selection and name not in _IN_FILE_ONLY] or DEFAULT_COLUMNS
    return [_SHOWN_AS.get(name, name) for name in names]


def columns_offered(user: Any) -> list[tuple[str, str, bool]]:
    """Return each column that may be chosen: name, label, whether it is shown now."""
    names = columns_chosen(user) or DEFAULT_COLUMNS
    return [(name, column.label, name in names) for name, column in ORDER_COLUMNS.items() if name != "order_id"]


def views_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Keep or delete a filter of the list. Leads back to the list, to nowhere else.

    :raises PermissionDenied: the user may not view orders.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    query = ""
    if request.method == "POST":
        try:
            query = _save_or_delete(model_admin, request)
        except DomainError as refusal:
            messages.error(request, refusal.msg)
    return HttpResponseRedirect(reverse("admin:shop_order_changelist") + (f"?{query}" if query else ""))


def _save_or_delete(model_admin: Any, request: HttpRequest) -> str:
    user_pk: Any = request.user.pk
    if pk := request.POST.get("delete"):
        if view_delete(user_pk=user_pk, view_pk=pk_of(pk)):
            messages.success(request, "视图已删除")
        return ""
    if "columns" in request.POST:
        names = request.POST.getlist("column") if request.POST["columns"] == "chosen" else []
        columns = [name for name in ORDER_COLUMNS if name in names]
        columns_save(user_pk=user_pk, names=["order_id", *columns] if columns else [])
        return _canonical_query(request.POST.get("query", ""))
    query = _canonical_query(request.POST.get("query", ""))
    if len(query) > VIEW_QUERY_LENGTH:
        raise ShopError("筛选条件太长")
    try:
        list_shown(model_admin, request.user, query)
    except (IncorrectLookupParameters, SuspiciousOperation):
        raise ShopError("这不是订单列表的筛选条件") from None
    view = view_save(user_pk=user_pk, name=request.POST.get("name", ""), query=query)
    messages.success(request, f"已存为我的视图“{view}”")
    return view.query


def _canonical_query(query: str) -> str:
    """Return a query string without the page number and the like, always written the same way."""
    return urlencode(sorted(parse_qsl(query_kept(query[:MAX_QUERY]))))
