"""The bar of filters above the list of orders, and the columns that a member of staff has chosen for it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter

from core import times
from core.admin.exports import query_kept
from core.times import SHANGHAI, local
from shop.admin.export_columns import ORDER_COLUMNS
from shop.models import Courier, OrderLine
from shop.selectors import order_columns
from shop.states import State

FIRST, LAST = "created_at_from", "created_at_to"
# The names of the bar's fields in the address. Those that are fields of an order need no filter of their own.
NAMES = (FIRST, LAST, "state__exact", "express_company__exact", "product", "username__startswith", "flagged")
MAX_TEXT = 64
DEFAULT_COLUMNS = (
    *("order_id", "goods", "username", "receiver_name", "phone", "express_no"),
    *("total", "state_label", "created_at", "flag"),
)
# What the file has and a list cannot show.
_IN_FILE_ONLY = {"pieces", "received", "shipped_at"}
# What the list shows instead, by the names of the file's columns.
_SHOWN_AS = {"total": "amount", "refunded": "returned", "phone": "phone_shown"}


class FlagFilter(admin.SimpleListFilter):
    title, parameter_name = "关注", "flagged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "需关注")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(flagged_at__isnull=False) if self.value() else queryset


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


class DayRangeFilter(RangeDateFilter):
    """Filter by a range of days. The last day counts in full."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = (self._day(end) for end in ("from", "to"))
        if first:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        if last:
            queryset = queryset.filter(**{f"{self.parameter_name}__lt": last + timedelta(days=1)})
        return queryset

    def _day(self, end: str) -> datetime | None:
        try:
            return datetime.strptime(self.used_parameters[f"{self.parameter_name}_{end}"], "%Y-%m-%d").replace(
                tzinfo=SHANGHAI
            )
        except (KeyError, ValueError):
            return None


def query_without_blanks(request: HttpRequest) -> str | None:
    """Return the query string without the bar's empty fields, which would find nothing; None if it has none."""
    blanks = {name for name in NAMES if request.GET.get(name) == ""}
    if not blanks:
        return None
    return urlencode([(name, value) for name, value in request.GET.items() if name not in blanks])


def bar_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the bar shows."""
    kept = [(name, value) for name, value in request.GET.items() if name not in NAMES and query_kept(f"{name}=1")]
    days = dict(kept) | {name: request.GET[name] for name in NAMES if name in request.GET}
    return {
        "kept": kept,
        "values": {name: request.GET.get(name, "") for name in NAMES},
        "is_active": any(request.GET.get(name) for name in NAMES),
        "without": urlencode(kept),
        "days": [
            (label, urlencode(days | span), span.items() <= request.GET.dict().items()) for label, span in _spans()
        ],
        "states": State.choices,
        "couriers": list(Courier.objects.values_list("name", flat=True)),
    }


def _spans() -> Iterable[tuple[str, dict[str, str]]]:
    today = local(times.now()).date()
    yesterday, monday = today - timedelta(days=1), today - timedelta(days=today.weekday())
    for label, first, last in (
        ("今天", today, today),
        ("昨天", yesterday, yesterday),
        ("本周", monday, today),
        ("本月", today.replace(day=1), today),
    ):
        yield label, {FIRST: first.isoformat(), LAST: last.isoformat()}


def columns_chosen(user: Any) -> list[str]:
    """Return what a member of staff has chosen, read once for each request: a page asks several times."""
    if not hasattr(user, "order_columns"):
        user.order_columns = order_columns(user_pk=user.pk)
    chosen: list[str] = user.order_columns
    return chosen


def columns_shown(user: Any) -> list[str]:
    """Return the columns of the list for a member of staff: the chosen ones, in the order of the file's."""
    chosen = columns_chosen(user)
    names = [name for name in ORDER_COLUMNS if name in chosen and name not in _IN_FILE_ONLY] or DEFAULT_COLUMNS
    return [_SHOWN_AS.get(name, name) for name in names]


def columns_offered(user: Any) -> list[tuple[str, str, bool]]:
    """Return each column that may be chosen: name, label, whether it is shown now."""
    chosen = columns_chosen(user) or DEFAULT_COLUMNS
    return [(name, column.label, name in chosen) for name, column in ORDER_COLUMNS.items() if name != "order_id"]
