"""Above the list of orders: the work lists with their numbers, and the filters that a member of staff has kept."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from core.admin.exports import list_shown, query_kept
from core.admin.paginator import AtLeast
from core.errors import DomainError
from shop.admin.export_columns import ORDER_COLUMNS
from shop.admin.work_lists import WORK_LISTS
from shop.errors import ViewRefused
from shop.models.view import VIEW_NAME_LENGTH, VIEW_QUERY_LENGTH
from shop.selectors import order_views, orders_counted
from shop.services.order_views import columns_save, view_delete, view_save

MAX_SHOWN = 99  # a tab says 99+ where more orders wait
MAX_QUERY = 10 * VIEW_QUERY_LENGTH


def tabs_of(request: HttpRequest) -> dict[str, Any]:
    """Return what the bar above the list shows."""
    counts = orders_counted({name: work.rows for name, work in WORK_LISTS.items()}, most=MAX_SHOWN)
    shown = {name: AtLeast(MAX_SHOWN) if count > MAX_SHOWN else count for name, count in counts.items()}
    query = _kept(request.GET.urlencode())
    return {
        "tabs": [(name, work, shown[name]) for name, work in WORK_LISTS.items()],
        "views": [(view, view.query == query) for view in order_views(user_pk=request.user.pk or 0)],
        "view_query": query,
        "view_name_length": VIEW_NAME_LENGTH,
    }


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
        known = pk.isdecimal() and len(pk) < 19
        if known and view_delete(user_pk=user_pk, view_pk=int(pk)):
            messages.success(request, "视图已删除")
        return ""
    if "columns" in request.POST:
        names = request.POST.getlist("column") if request.POST["columns"] == "chosen" else []
        chosen = [name for name in ORDER_COLUMNS if name in names]
        columns_save(user_pk=user_pk, names=["order_id", *chosen] if chosen else [])
        return _kept(request.POST.get("query", ""))
    query = _query_of(model_admin, request, request.POST.get("query", ""))
    view = view_save(user_pk=user_pk, name=request.POST.get("name", ""), query=query)
    messages.success(request, f"已存为我的视图“{view}”")
    return view.query


def _kept(query: str) -> str:
    """Return a query string without the page number and the like, always written the same way."""
    return urlencode(sorted(parse_qsl(query_kept(query[:MAX_QUERY]))))


def _query_of(model_admin: Any, request: HttpRequest, text: str) -> str:
    """Return what the list shows for a query string, as its query string.

    :raises ViewRefused: the list would not understand it.
    """
    query = _kept(text)
    if "%00" in query or len(query) > VIEW_QUERY_LENGTH:
        raise ViewRefused("这不是订单列表的筛选条件，或者太长")
    try:
        list_shown(model_admin, request.user, query)
    except (IncorrectLookupParameters, SuspiciousOperation):
        raise ViewRefused("这不是订单列表的筛选条件") from None
    return query
