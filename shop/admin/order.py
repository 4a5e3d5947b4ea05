"""Orders in the back office: one page shows all of an order, with a button for each step that its state allows.

No field of an order can be edited: the buttons of ``order_steps.py`` call the same services as the API.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from unfold.decorators import action

from core import times
from core.admin.base import PhoneAdmin
from core.admin.buttons import Button, ButtonForm, ButtonsAdmin, bulk_action
from core.admin.listing import is_complete
from core.admin.phones import RIGHT, may_see_phones, phone_masked
from core.money import yuan_text
from permissions.scope import scope_of
from runs.exports import ExportableAdmin, ExportColumn
from shop.admin.order_display import OrderCells, last_step, order_page
from shop.admin.order_list import (
    ORDER_COLUMNS,
    ORDER_SHEETS,
    PHONE,
    DayRangeFilter,
    FlagFilter,
    InvoiceFilter,
    OrderList,
    ParcelFilter,
    ProductFilter,
    WorkListFilter,
    bar_of,
    orders_loaded,
    query_without_blanks,
    work_list_of,
)
from shop.admin.order_steps import BUTTONS, PACKING, WORK_LISTS, step_names
from shop.admin.packing import MAX_PRINTED, packing_address, packing_page
from shop.admin.parcels import LAST_COURIER, ParcelForm
from shop.errors import CorrectedMeanwhile, OrderRefused, ProviderUndecided
from shop.models import Order, PartRefund
from shop.order_states import ASKED, Event, ReturnStep, State
from shop.selectors import order_search, orders_visible
from shop.services.order_step import UNDOES, can_be_undone

MAX_FOUND = 1_000
COLUMNS = (
    *("order_id", "goods", "username", "receiver_name", "phone_shown", "express_no"),
    *("amount", "state_label", "created_at", "flag"),
)


@admin.register(Order)
class OrderAdmin(PhoneAdmin, ExportableAdmin, ButtonsAdmin):
    export_columns = ORDER_COLUMNS
    export_sheets = ORDER_SHEETS
    buttons = BUTTONS
    rights: ClassVar = {
        "view": "查看",
        "change": "修改收货信息、备注、关闭",
        "ship": "发货",
        "decide": "处理退货（退钱还需要“退款”）",
        "refund": "退款",
        "export": "导出",
        "income": "看首页和日报的收入",
        "phone": RIGHT,
    }
    bulk_suffix = "（所选订单）"
    asked_columns = ("order_id", "goods", "receiver", "amount", "state_label")
    list_filter = [
        *(WorkListFilter, FlagFilter, ParcelFilter, InvoiceFilter, ProductFilter),
        ("created_at", DayRangeFilter),
    ]
    list_before_template = "shop/order_bar.html"
    change_form_template = "shop/order_page.html"
    search_fields = ["order_id"]  # makes the search box appear; order_search decides what it finds
    search_help_text = f"电话或订单号（或其最后四位）、收件人、商品、快递单号；最多显示最新的 {MAX_FOUND} 个"
    max_found = MAX_FOUND
    ordering = ["-pk"]
    sortable_by = ()  # OrderList knows them
    fieldsets: Any = [(None, {"fields": ()})]  # the page is a template of its own
    actions_detail = ["packing_one"]

    @action(description="打印配货单", url_path="packing", permissions=["view"])
    def packing_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(packing_address([object_id]))

    def get_urls(self) -> list[Any]:
        packing = self.admin_site.admin_view(partial(packing_page, self))
        return [path("packing/", packing, name="shop_order_packing"), *super().get_urls()]

    def export_rows(self, rows: QuerySet[Order]) -> QuerySet[Order]:
        return rows.prefetch_related(None).prefetch_related("lines")

    def export_columns_of(self, user: Any) -> Sequence[ExportColumn]:
        if may_see_phones(user, Order):
            return ORDER_COLUMNS
        masked = PHONE._replace(value=lambda row: phone_masked(row.order.phone))
        return [masked if column is PHONE else column for column in ORDER_COLUMNS]

    def export_loaded(self, rows: Iterable[Order]) -> Iterable[Any]:
        return orders_loaded(rows)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return super().get_queryset(request).filter(orders_visible(scope_of(request.user))).prefetch_related("lines")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        knows_phones = may_see_phones(request.user, Order)
        limit = None if is_complete(request) else MAX_FOUND + 1
        orders = order_search(queryset, search_term, limit=limit, by_part_of_phone=knows_phones)
        if limit is None:
            return orders, False
        pks = list(orders.order_by("-pk").values_list("pk", flat=True)[:limit])
        if len(pks) > MAX_FOUND and request.method == "GET" and is_complete(request) is None:
            messages.info(request, f"找到的订单超过 {MAX_FOUND} 个，显示最新的 {MAX_FOUND} 个，请再加筛选条件")
        return queryset.filter(pk__in=pks[:MAX_FOUND]), False

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[OrderList]:
        return OrderList

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        work = work_list_of(request)
        if work is None:
            return COLUMNS
        return [*work.columns, "steps"] if self.list_steps(request) else work.columns

    def get_ordering(self, request: HttpRequest) -> Sequence[Any]:
        work = work_list_of(request)
        return work.ordering if work else self.ordering

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        request.GET = query_without_blanks(request.GET)  # type: ignore[assignment]
        work = work_list_of(request)
        bar: dict[str, Any] = {"work": work, "works": WORK_LISTS, "work_steps": self.list_steps(request)}
        if request.method == "GET":
            bar |= bar_of(request)
        if work:
            bar |= {"title": work.label, "may_only_reject": "reject" in work.steps and self.may_only_reject(request)}
        return super().changelist_view(request, bar | (extra_context or {}))

    def work_lists_of(self, request: HttpRequest) -> dict[str, tuple[str, str]]:
        """Return label and icon of the work lists in which the user may press a button, by name."""
        allowed = self.allowed(request).keys()
        return {name: (work.label, work.icon) for name, work in WORK_LISTS.items() if allowed & {*work.steps}}

    def list_steps(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return name and label of each button that this member of staff may press in the work list."""
        work, labels = work_list_of(request), {PACKING: "打印配货单"}
        labels |= {name: button.text for name, button in self.allowed(request).items()}
        return [(name, labels[name]) for name in work.steps if name in labels] if work else []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return super().get_actions(request) | {PACKING: bulk_action(PACKING, "打印配货单" + self.bulk_suffix)}

    def press_in_list(self, request: HttpRequest, name: str, rows: QuerySet[Any]) -> HttpResponse | None:
        if name != PACKING:
            return super().press_in_list(request, name, rows)
        return HttpResponseRedirect(packing_address(rows.values_list("pk", flat=True)[: MAX_PRINTED + 1]))

    def may_only_reject(self, request: HttpRequest) -> bool:
        buttons = self.allowed(request)
        return "reject" in buttons and "approve" not in buttons

    def columns_asked(self, rows: list[Order], form: ButtonForm) -> Sequence[Any]:
        names = list(self.asked_columns)
        if isinstance(form, ParcelForm):  # it has three columns of its own, which must have room
            names = names[:3]
        elif any(row.state in ASKED for row in rows):
            names += ["why", "return_parcel", "came_back"]
        return OrderCells(rows).columns([*names, "flag"] if any(row.flagged_at for row in rows) else names)

    def is_moving(self, row: Order) -> bool:
        return row.state == State.REFUNDING or row.part_refund == PartRefund.UNDER_WAY

    def sum_of(self, rows: list[Order]) -> str:
        return f"{len(rows)} 个订单，共 {yuan_text(sum((order.total for order in rows), Decimal(0)))} 元"

    def offered(self, row: Any) -> list[str]:
        return _steps_offered(row, OrderCells([row]))

    def page_facts(self, row: Any) -> dict[str, Any]:
        cells = OrderCells([row])  # the page and its buttons ask for the refunds once
        return {"page": order_page(row, cells), "offered": _steps_offered(row, cells)}

    def press(self, request: HttpRequest, button: Button, row: Order, values: dict[str, Any]) -> str:
        if values.get("express_company"):
            request.session[LAST_COURIER] = values["express_company"]
        try:
            # 退货退款 and 不等寄回，直接退款 are one event, so only the button tells whether the goods must be back.
            if button.name == "approve" and row.return_step != ReturnStep.RECEIVED and row.state in ASKED:
                raise OrderRefused(f"{row.get_return_step_display()}，不能{button.text}")
            return super().press(request, button, row, values)
        except ProviderUndecided:
            raise
        except OrderRefused as refusal:  # often a colleague, or the first of two clicks, has done the step already
            # The wire's texts keep the old server's half-width commas; staff read full-width ones.
            note = refusal.note if isinstance(refusal, CorrectedMeanwhile) else None
            raise OrderRefused(f"{refusal.msg.replace(',', '，')}（{last_step(row, note)}）") from None


def _steps_offered(order: Order, cells: OrderCells) -> list[str]:
    """Return the names of the buttons for the order's state; a step can be undone for a few minutes."""
    now = times.now()
    return [name for name in step_names(order, cells) if name not in UNDOES or can_be_undone(order, Event(name), now)]
