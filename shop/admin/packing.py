"""The packing list, for A4 paper: what to fetch from the shelves, then a page for each parcel."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

import segno
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Max, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from core import times
from core.admin.phones import phone_shown
from core.audit import StaffAction, action_record
from core.ids import pks_of
from permissions.scope import scope_of
from shop.models import Order, OrderLine
from shop.order_states import TABLE, Event, State
from shop.selectors import orders_visible

MAX_PRINTED = 200


class PackedOrder:
    """An order as its page shows it: the pieces that are still to be sent."""

    def __init__(self, order: Order) -> None:
        self.order, self.phone, self.state = order, phone_shown(order), State(order.state)
        self.lines = [line for line in order.lines.all() if line.left]
        self.pieces = sum(line.left for line in self.lines)
        self.is_to_ship = (self.state, Event.SHIP) in TABLE

    @property
    def qr(self) -> str:
        return segno.make_qr(self.order.order_id, error="m").svg_data_uri(omitsize=True, border=1)


def packing_address(pks: Iterable[Any]) -> str:
    return reverse("admin:shop_order_packing") + "?" + urlencode({"ids": ",".join(map(str, pks))}, safe=",")


def packing_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Return the page for the orders in ``?ids=``, the one that was paid first at the top.

    :raises PermissionDenied: the page shows names and addresses, and the user may not view orders.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    back = reverse("admin:shop_order_changelist") + "?work=ship"
    pks = pks_of(request.GET.get("ids", "").split(","))
    orders = Order.objects.filter(orders_visible(scope_of(request.user)), pk__in=pks).prefetch_related("lines")
    newest_last = orders.order_by(F("paid_at").asc(nulls_last=True), "pk")
    parcels = [PackedOrder(order) for order in newest_last[: MAX_PRINTED + 1]]
    if not parcels:
        messages.warning(request, "没有选中任何订单")
        return HttpResponseRedirect(back)
    if len(parcels) > MAX_PRINTED:
        messages.error(request, f"一次最多打印 {MAX_PRINTED} 个订单，请分批进行")
        return HttpResponseRedirect(back)
    action_record(request.user, StaffAction.EXPORT, {"打印": "配货单", "行数": str(len(parcels))})
    to_ship = [parcel for parcel in parcels if parcel.is_to_ship]
    lines: Any = OrderLine.objects.filter(order__in=[parcel.order.pk for parcel in to_ship])
    lines = lines.filter(refunded_quantity__lt=F("quantity")).order_by("product_code").values("product_code")
    pieces = Sum(F("quantity") - F("refunded_quantity"))
    # What to fetch from the shelves for all parcels together. A product may have been renamed between two orders.
    picks = lines.annotate(name=Max("title"), pieces=pieces, orders=Count("pk"))
    context = {
        "parcels": parcels,
        "to_ship": to_ship,
        "others": len(parcels) - len(to_ship),
        "picks": picks if len(parcels) > 1 else [],
        "pieces": sum(parcel.pieces for parcel in to_ship),
        "printed_at": times.now(),
        "printed_by": request.user.get_username(),
        "may_ship": "ship" in model_admin.allowed(request),
        "back": back,
    }
    return render(request, "shop/packing.html", context)
