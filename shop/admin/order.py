"""Orders in the back office: one page shows all of an order, with a button for each step that its state allows.

No field of an order can be edited: the buttons call the same services as the API. The lists of daily work are in
``work_lists.py``.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import action, display

from core import times
from core.admin.buttons import SURE, ButtonsAdmin, bulk_action
from core.admin.exports import ExportMixin, finds_every
from core.admin.tables import table
from core.times import SHANGHAI
from shop.admin.attention import ASKED, FlagFilter, RemarkForm, UnflagForm, attach_differences, head_of, seen_field
from shop.admin.export_columns import ORDER_COLUMNS
from shop.admin.order_parts import last_step, lines_table, log_timeline, payments_table, refunds_table
from shop.admin.packing import MOST_PRINTED, packing_address, packing_page
from shop.admin.refunding import PartForm, part_facts, part_table
from shop.admin.shipping import ParcelForm, ReceiverForm, ShipForm, number_field, ship_table
from shop.admin.views import tabs_of, views_page
from shop.admin.work_lists import (
    PACKING,
    PARAMETER,
    WORK_LISTS,
    WorkListColumns,
    WorkListFilter,
    attach_refunds,
    is_by_hand,
    step_buttons,
    way_out,
    work_list_of,
    work_list_rows,
)
from shop.errors import OrderRefused, ProviderUndecided
from shop.models import Order, PartRefund
from shop.selectors import order_search, orders_found
from shop.services.order_attention import order_flag, order_remark, order_unflag
from shop.services.order_close import order_close
from shop.services.order_move import order_set_parcel, order_set_receiver, order_ship
from shop.services.order_refund_part import order_refund_part
from shop.services.order_return import order_refund, order_return_decide
from shop.states import TABLE, Event, ShippingStatus, State


class OrderButton(NamedTuple):
    """A button of the back office: its text, the right it needs, and the service that does it.

    The service is called with order_id, actor, reason, now and the values of the button's form.

    It is offered where ``TABLE`` has its event, or in its ``states`` where it changes no state.
    """

    event: Event | None
    label: str
    right: str
    run: Callable[..., Order]
    states: tuple[State, ...] = ()

    def is_for(self, state: State) -> bool:
        return (state, self.event) in TABLE if self.event else state in self.states


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


def _set(service: Callable[..., Order]) -> Callable[..., Order]:
    def run(*, reason: str, **facts: Any) -> Order:
        return service(**facts)

    return run


BUTTONS: dict[str, OrderButton] = {
    "ship": OrderButton(Event.SHIP, "发货", "ship", _ship(ShippingStatus.SHIPPED)),
    "prepare": OrderButton(Event.PREPARE, "备货", "ship", _ship(ShippingStatus.PREPARING)),
    "unprepare": OrderButton(Event.UNPREPARE, "改为未发货", "ship", _ship(ShippingStatus.NOT_SHIPPED)),
    "receive": OrderButton(Event.RECEIVE, "确认收货", "ship", _ship(ShippingStatus.RECEIVED)),
    "approve": OrderButton(Event.APPROVE_RETURN, "同意退货并退款", "decide", _decide(True)),
    "reject": OrderButton(Event.REJECT_RETURN, "拒绝退货", "decide", _decide(False)),
    "close": OrderButton(Event.CLOSE, "关闭订单", "change", _close(Event.CLOSE)),
    "invalidate": OrderButton(Event.INVALIDATE, "作废订单", "change", _close(Event.INVALIDATE)),
    "refund": OrderButton(Event.REFUND, "全额退款", "refund", order_refund),
    "refund_part": OrderButton(Event.REFUND_PART, "部分退款", "refund", order_refund_part),
    "refund_again": OrderButton(Event.REFUND_AGAIN, "重新退款", "refund", order_refund),
    "receiver": OrderButton(
        None, "修改收货信息", "change", _set(order_set_receiver), (State.PAID, State.PREPARING, State.OPEN)
    ),
    "parcel": OrderButton(
        None,
        "修改快递",
        "ship",
        _set(order_set_parcel),
        (State.SHIPPED, State.RECEIVED, State.RETURN_ASKED, State.RETURN_ASKED_LATER),
    ),
    "remark": OrderButton(None, "添加备注", "change", _set(order_remark), tuple(State)),
    "flag": OrderButton(None, "标记需关注", "change", order_flag, tuple(State)),
    "unflag": OrderButton(None, "取消关注", "change", order_unflag, tuple(State)),
}
MOST_FOUND = 1_000
_COURIER = "last_courier"  # of this session: the next parcels usually go by the same
_REFUNDING = "款项将原路退回，进度见“退款处理”"
_BEGINS = frozenset(
    {"approve", "refund", "refund_part", "refund_again"}
)  # these only request a refund; the money moves later
OUTCOMES = dict.fromkeys(_BEGINS, _REFUNDING)
_COLOURS = {
    State.OPEN.label: "warning",
    State.PAID.label: "info",
    State.PREPARING.label: "info",
    State.SHIPPED.label: "info",
    State.RECEIVED.label: "success",
    State.REFUNDING.label: "warning",
    State.REFUND_FAILED.label: "danger",
    State.RETURN_ASKED.label: "danger",
    State.RETURN_ASKED_LATER.label: "danger",
}


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


@admin.register(Order)
class OrderAdmin(WorkListColumns, ExportMixin, ButtonsAdmin):
    export_columns = ORDER_COLUMNS
    labels = {name: button.label for name, button in BUTTONS.items()}
    needs = {name: button.right for name, button in BUTTONS.items()}
    rights: ClassVar = {
        "view": "查看",
        "change": "修改收货信息、备注、关闭",
        "ship": "发货",
        "decide": "处理退货（同意还需要“退款”）",
        "refund": "退款",
        "export": "导出",
    }
    chosen = "（所选订单）"
    asks = {
        "ship": "发货后不能改回未发货。快递单号可以留空，以后在订单页用“修改快递”补上。",
        "receiver": "改的是还没有发出的包裹；原来的收货信息留在订单日志里。",
        "parcel": "买家会在订单里看到新的快递单号；原来的留在订单日志里。",
        "approve": "同意退货，款项全额原路退回买家，不能撤回。",
        "reject": "拒绝买家的退货申请，订单回到原来的状态。",
        "close": "订单没有付款，关闭后商品回到库存。",
        "invalidate": "订单没有付款，作废后商品回到库存。",
        "refund": "款项全额原路退回买家，不能撤回。还没有发货的商品回到库存，已经发出的不会。",
        "refund_part": "选商品或只填金额，款项原路退回买家，不能撤回。退了的商品不再发货；退完余款的，订单变为退款中。",
        "remark": "备注只有员工看得到，保存以后不能修改或删除。",
        "flag": "订单会列在“异常”里，直到有人取消关注。买家看不到。",
        "unflag": "原因和取消的说明都留在订单日志里。",
        "refund_again": "被拒绝的退款用原单号再提交一次；已关闭的先向微信确认，再换新单号。钱只会退一次。",
    }
    asks_of = ("order_id", "goods", "receiver", "total", "state_label")
    asks_why = dict.fromkeys(("approve", "close", "invalidate", "refund", "refund_again"), "写入订单日志") | {
        "flag": "为什么要关注，必填；写入订单日志",
        "unflag": "为什么不用再关注，必填；写入订单日志",
        "reject": "写入订单日志，买家也会看到",
        "refund_part": "写入订单日志，买家也会看到",
    }
    needs_why = frozenset({"flag", "unflag"})
    asks_form = {
        "receiver": ReceiverForm,
        "parcel": ParcelForm,
        "refund_part": PartForm,
        "remark": RemarkForm,
        "unflag": UnflagForm,
    }
    begins = _BEGINS
    grave = frozenset({"reject", "close", "invalidate", "refund", "refund_part"})
    quiet = frozenset({"flag", "receiver", "parcel"})
    need_password = frozenset({"approve", "refund", "refund_part", "refund_again"})
    list_display = ["order_id", "goods", "username", "phone", "total", "state_label", "created_at", "flag"]
    list_filter = [
        *(WorkListFilter, FlagFilter, "order_status", "pay_status", "shiping_status", "state"),
        ("created_at", DayRangeFilter),
    ]
    list_filter_submit = True
    list_before_template = "shop/order_bar.html"
    change_form_outer_before_template = "shop/order_head.html"
    work_lists = {name: (work.label, work.icon) for name, work in WORK_LISTS.items()}
    search_fields = ["order_id"]  # makes the search box appear; order_search decides what it finds
    search_help_text = f"电话或订单号（或其最后四位）、收件人、商品、快递单号；最多显示最新的 {MOST_FOUND} 个"
    most_found = MOST_FOUND
    ordering = ["-pk"]
    readonly_fields = [
        *("order_id", "username", "total", "refunded", "recipient", "phone", "address", "note", "lines"),
        *("express_company", "express_no"),
        *("state_label", "order_status", "pay_status", "shiping_status", "holds_stock"),
        *("created_at", "expires_at", "paid_at", "transaction_id", "hidden_at"),
        *("payments", "refunds", "timeline"),
    ]
    fieldsets = [
        ("订单", {"fields": [("order_id", "state_label"), ("username", "total", "refunded"), "lines", "note"]}),
        ("收货", {"fields": [("recipient", "phone"), "address", ("express_company", "express_no")]}),
        ("支付与退款", {"fields": ["payments", "refunds"]}),
        ("日志", {"fields": ["timeline"]}),
        ("时间", {"fields": [("created_at", "expires_at"), ("paid_at", "hidden_at")]}),
        ("接口中的状态", {"fields": [("order_status", "pay_status", "shiping_status"), "holds_stock"]}),
    ]
    actions = list(BUTTONS)
    actions_detail = ["packing_one"]

    @display(description="状态", label=_COLOURS)
    def state_label(self, order: Order) -> str:
        return State(order.state).label

    @display(description="商品")
    def lines(self, order: Order) -> SafeString:
        return lines_table(order)

    @display(description="支付记录")
    def payments(self, order: Order) -> SafeString:
        return payments_table(order)

    @display(description="退款记录")
    def refunds(self, order: Order) -> SafeString:
        return refunds_table(order)

    @display(description="订单日志")
    def timeline(self, order: Order) -> SafeString:
        return log_timeline(order)

    @display(description="操作")
    def steps(self, order: Any) -> SafeString:
        return step_buttons(order, order.steps)

    @action(description="打印配货单", url_path="packing", permissions=["view"])
    def packing_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(packing_address([object_id]))

    def get_urls(self) -> list[Any]:
        packing = self.admin_site.admin_view(self.packing_view)
        views = self.admin_site.admin_view(self.views_view)
        return [
            path("packing/", packing, name="shop_order_packing"),
            path("views/", views, name="shop_order_views"),
            *super().get_urls(),
        ]

    def packing_view(self, request: HttpRequest) -> HttpResponse:
        return packing_page(self, request)

    def export_rows(self, rows: QuerySet[Order]) -> QuerySet[Order]:
        return rows.prefetch_related(None).prefetch_related("lines")

    def views_view(self, request: HttpRequest) -> HttpResponse:
        return views_page(self, request)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any) -> Any:
        if order := context.get("original"):
            context |= {"head": head_of(order), "may_remark": self.may_press(request, "remark")}
            context["may_only_reject"] = self.may_only_reject(request)
            if order.state == State.REFUND_FAILED or order.part_refund == PartRefund.STUCK:
                attach_refunds([order])
                context["way_out"] = way_out(order)
        return super().render_change_form(request, context, *args, **options)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        orders, work = super().get_queryset(request), work_list_of(request)
        return work_list_rows(orders, work) if work else orders.prefetch_related("lines")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        if finds_every(request):
            return order_search(queryset, search_term), False
        pks = orders_found(queryset, search_term, most=MOST_FOUND + 1)
        if len(pks) > MOST_FOUND and request.method == "GET" and finds_every(request) is None:
            messages.info(request, f"找到的订单超过 {MOST_FOUND} 个，显示最新的 {MOST_FOUND} 个，请再加筛选条件")
        return queryset.filter(pk__in=pks[:MOST_FOUND]), False

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        work = work_list_of(request)
        if work is None:
            return self.list_display
        return [*work.columns, "steps"] if self._steps(request) else work.columns

    def get_ordering(self, request: HttpRequest) -> Sequence[Any]:
        work = work_list_of(request)
        return work.ordering if work else self.ordering

    def get_sortable_by(self, request: HttpRequest) -> Sequence[Any]:
        return () if work_list_of(request) else super().get_sortable_by(request)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist, work = super().get_changelist_instance(request), work_list_of(request)
        if work:
            # A work list is a page of its own: only what somebody filters in it is a filter to be shown and cleared.
            changelist.has_active_filters = bool(changelist.filter_params.keys() - {PARAMETER})
            orders, steps = list(changelist.result_list), self._steps(request)
            if "refund_progress" in work.columns or "trouble" in work.columns:
                attach_refunds(orders)
            if "trouble" in work.columns:
                attach_differences(orders)
            for order in orders:
                order.steps = [step for step in steps if step[0] in (PACKING, *_allowed(order))]
        return changelist

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        work = work_list_of(request)
        bar: dict[str, Any] = {"work": work, "works": WORK_LISTS, "work_steps": self._steps(request)}
        if request.method == "GET":
            bar |= tabs_of(request)
        if work:
            bar |= {"title": work.label, "may_only_reject": "reject" in work.steps and self.may_only_reject(request)}
        return super().changelist_view(request, bar | (extra_context or {}))

    def _steps(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return name and label of each button that this member of staff may press in the work list."""
        work, labels = work_list_of(request), {PACKING: "打印配货单"}
        labels |= {name: label for name, label in self.labels.items() if self.may_press(request, name)}
        return [(name, labels[name]) for name in work.steps if name in labels] if work else []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return super().get_actions(request) | {PACKING: bulk_action(PACKING, "打印配货单" + self.chosen)}

    def press_in_list(self, request: HttpRequest, name: str, rows: QuerySet[Any]) -> HttpResponse | None:
        if name != PACKING:
            if name == "ship" and len(rows[: MOST_PRINTED + 1]) > MOST_PRINTED:
                messages.error(request, f"一次最多发货 {MOST_PRINTED} 个订单，请分批进行")
                return None
            return super().press_in_list(request, name, rows)
        return HttpResponseRedirect(packing_address(rows.values_list("pk", flat=True)[: MOST_PRINTED + 1]))

    def may_press(self, request: HttpRequest, name: str) -> bool:
        # Approving a return pays the money back at once.
        return super().may_press(request, name) and (name != "approve" or self.has_right(request, "refund"))

    def may_only_reject(self, request: HttpRequest) -> bool:
        return self.may_press(request, "reject") and not self.may_press(request, "approve")

    def form_of(self, request: HttpRequest, name: str, rows: list[Order]) -> Form | None:
        typed = request.POST if SURE in request.POST else None
        if name == "ship":
            return ShipForm(rows, typed, courier=request.session.get(_COURIER, ""))
        form: Any = self.asks_form.get(name)
        return form(typed, order=rows[0]) if form else None

    def answers(self, request: HttpRequest, name: str, row: Order) -> dict[str, Any]:
        form = self.form_of(request, name, [row])
        if form is None or not form.is_valid():  # a step of many rows was checked with all of them
            return {}
        if isinstance(form, PartForm):
            return part_facts(form)
        said = form.cleaned_data
        return said | {"express_no": said.pop(number_field(row))} if isinstance(form, ShipForm) else said

    def asked_table(self, name: str, rows: list[Order], form: Form | None) -> SafeString:
        if isinstance(form, PartForm):
            return part_table(form)
        columns = list(self.asks_of[:3] if isinstance(form, ShipForm) else self.asks_of)
        if any(row.state in ASKED for row in rows):
            columns.append("why")
        if any(row.flagged_at for row in rows):
            columns.append("flag")
        titles = [str(label_for_field(column, self.model, self)) for column in columns]
        cells = [[lookup_field(column, row, self)[2] for column in columns] for row in rows]
        if isinstance(form, ShipForm):
            return ship_table(form, titles, cells)
        return table(titles, cells) + seen_field(rows[0]) if name == "unflag" else table(titles, cells)

    def is_moving(self, row: Order) -> bool:
        return row.state == State.REFUNDING or row.part_refund == PartRefund.UNDER_WAY

    def sum_of(self, rows: list[Order]) -> str:
        return f"{len(rows)} 个订单，共 {sum(order.total for order in rows):.2f} 元"

    def offered(self, request: HttpRequest, object_id: Any) -> Iterable[str]:
        order = self.get_object(request, str(object_id))
        if order is None:
            return ()
        if order.state == State.REFUND_FAILED:
            attach_refunds([order])
        return [name for name in _allowed(order) if name != "remark"]  # it has a form of its own above the page

    def press(self, request: HttpRequest, name: str, row: Order) -> str:
        reason = request.POST.get("reason", "").replace("\x00", "").strip()[:200]
        actor = request.user.get_username()
        said = self.answers(request, name, row)
        if said.get("express_company"):
            request.session[_COURIER] = said["express_company"]
        try:
            BUTTONS[name].run(order_id=row.order_id, actor=actor, reason=reason, now=times.now(), **said)
        except ProviderUndecided:
            raise
        except OrderRefused as refusal:  # often a colleague, or the first of two clicks, has done the step already
            # The wire's texts keep the old server's half-width commas; staff read full-width ones.
            raise OrderRefused(f"{refusal.msg.replace(',', '，')}（{last_step(row)}）") from None
        return OUTCOMES.get(name, "")


def _allowed(order: Order) -> list[str]:
    idle = {"flag" if order.flagged_at else "unflag"} | ({"refund_again"} if is_by_hand(order) else set())
    return [name for name, button in BUTTONS.items() if button.is_for(State(order.state)) and name not in idle]
