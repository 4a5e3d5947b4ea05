"""Orders in the back office: all of an order on one page, and the steps its state allows as buttons.

Nothing of an order can be typed in. A button calls the same service as the API does.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from core.buttons import ButtonsAdmin
from core.times import SHANGHAI
from shop.admin.order_parts import log_timeline, payments_table, refunds_table
from shop.models import Order, OrderLine
from shop.services.order_close import order_close
from shop.services.order_return import order_refund, order_return_decide
from shop.services.order_ship import order_ship
from shop.states import TABLE, Event, ShippingStatus, State


class Button(NamedTuple):
    """A step of the back office: its event, its name, and the service, called with order_id, actor, reason, now."""

    event: Event
    label: str
    run: Callable[..., Order]


def _ship(action: ShippingStatus) -> Callable[..., Order]:
    def run(*, reason: str, **facts: Any) -> Order:
        return order_ship(action=action, **facts)

    return run


def _close(event: Event) -> Callable[..., Order]:
    def run(*, reason: str, **facts: Any) -> Order:
        return order_close(event=event, **facts)

    return run


def _decide(approve: bool) -> Callable[..., Order]:
    def run(**facts: Any) -> Order:
        return order_return_decide(approve=approve, **facts)

    return run


BUTTONS: dict[str, Button] = {
    "prepare": Button(Event.PREPARE, "备货", _ship(ShippingStatus.PREPARING)),
    "unprepare": Button(Event.UNPREPARE, "改为未发货", _ship(ShippingStatus.NOT_SHIPPED)),
    "ship": Button(Event.SHIP, "发货", _ship(ShippingStatus.SHIPPED)),
    "receive": Button(Event.RECEIVE, "确认收货", _ship(ShippingStatus.RECEIVED)),
    "approve": Button(Event.APPROVE_RETURN, "同意退货并退款", _decide(True)),
    "reject": Button(Event.REJECT_RETURN, "拒绝退货", _decide(False)),
    "close": Button(Event.CLOSE, "关闭订单", _close(Event.CLOSE)),
    "invalidate": Button(Event.INVALIDATE, "作废订单", _close(Event.INVALIDATE)),
    "refund": Button(Event.REFUND, "全额退款", order_refund),
    "refund_again": Button(Event.REFUND_AGAIN, "重新退款", order_refund),
}
_COLOURS = {
    State.OPEN.label: "warning",
    State.PAID.label: "info",
    State.PREPARING.label: "info",
    State.SHIPPED.label: "info",
    State.RECEIVED.label: "success",
    State.REFUND_FAILED.label: "danger",
    State.RETURN_ASKED.label: "danger",
    State.RETURN_ASKED_LATER.label: "danger",
}


class DayFilter(RangeDateFilter):
    """From a day to a day, both with all of their hours."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
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


class OrderForm(forms.ModelForm):
    reason = forms.CharField(
        label="操作说明", required=False, max_length=200, widget=UnfoldAdminTextInputWidget, help_text="写入订单日志"
    )

    class Meta:
        model = Order
        fields: list[str] = []


class LineInline(TabularInline):
    model = OrderLine
    fields = readonly_fields = ["title", "product_code", "price", "quantity", "amount_yuan"]
    extra = 0
    can_delete = False
    verbose_name_plural = "商品"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="小计(元)")
    def amount_yuan(self, line: OrderLine) -> str:
        return f"{line.amount:.2f}"


@admin.register(Order)
class OrderAdmin(ButtonsAdmin):
    labels = {name: button.label for name, button in BUTTONS.items()}
    chosen = "(所选订单)"
    form = OrderForm
    inlines = [LineInline]
    list_display = [
        *("order_id", "username", "total", "state_label", "order_status", "pay_status", "shiping_status"),
        *("phone", "created_at"),
    ]
    list_filter = ["order_status", "pay_status", "shiping_status", "state", ("created_at", DayFilter)]
    list_filter_submit = True
    # With these look-ups PostgreSQL can use its indexes.
    search_fields = ["order_id__startswith", "phone__startswith"]
    search_help_text = "订单号或电话"
    ordering = ["-pk"]
    readonly_fields = [
        *("order_id", "username", "total", "phone", "address", "note"),
        *("state_label", "order_status", "pay_status", "shiping_status", "holds_stock"),
        *("created_at", "expires_at", "paid_at", "transaction_id", "hidden_at"),
        *("payments", "refunds", "timeline"),
    ]
    fieldsets = [
        ("订单", {"fields": [("order_id", "username"), ("total", "phone"), "address", "note"]}),
        ("状态", {"fields": [("state_label", "holds_stock"), ("order_status", "pay_status", "shiping_status")]}),
        ("时间", {"fields": [("created_at", "expires_at"), ("paid_at", "transaction_id"), "hidden_at"]}),
        ("支付与退款", {"fields": ["payments", "refunds"]}),
        ("日志", {"fields": ["timeline"]}),
    ]
    actions = list(BUTTONS)

    @display(description="状态", label=_COLOURS)
    def state_label(self, order: Order) -> str:
        return State(order.state).label

    @display(description="支付记录")
    def payments(self, order: Order) -> SafeString:
        return payments_table(order)

    @display(description="退款记录")
    def refunds(self, order: Order) -> SafeString:
        return refunds_table(order)

    @display(description="订单日志")
    def timeline(self, order: Order) -> SafeString:
        return log_timeline(order)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        steps = self.offered(request, obj.pk) if obj else ()
        return [*self.fieldsets, ("操作", {"fields": ["reason"]})] if steps else self.fieldsets

    def offered(self, request: HttpRequest, object_id: Any) -> Iterable[str]:
        order = self.get_object(request, str(object_id))
        if order is None or not self.has_change_permission(request, order):
            return ()
        return [name for name, button in BUTTONS.items() if (State(order.state), button.event) in TABLE]

    def press(self, request: HttpRequest, name: str, row: Order) -> str:
        reason = request.POST.get("reason", "").replace("\x00", "").strip()[:200]
        actor = request.user.get_username()
        BUTTONS[name].run(order_id=row.order_id, actor=actor, reason=reason, now=timezone.now())
        return ""
