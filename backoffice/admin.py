"""The list of what was done, which can only be read."""

from typing import Any, ClassVar

from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from accounts.selectors import staff_names, user_pks_of
from backoffice.audit import KINDS, STAFF_ACTIONS, WATCHED, changes_of
from backoffice.navigation import list_url, may_see
from backoffice.periods import PERIODS, period_of
from core import times
from core.admin.base import MAX_SEARCH, ChoiceFilter, OfficeAdmin, ReadOnlyRows, SelectFilter
from core.admin.listing import admin_of
from core.admin.tables import column
from core.audit import DEVICE, OTHER, PART, StaffAction
from core.times import format_office_time, local
from permissions.models import EnteredRow
from permissions.scope import scope_of
from shop.order_states import OrderAction

FIELDS_NAMED, VALUE_SHOWN, DEVICE_SHOWN = 2, 16, 32
BEGINNING = 64  # characters of an object's name that have an index, made by core's migration 0004
OBJECTS = [*WATCHED, "shop.Order", "payments.Refund", "students.TransferRun"]
_ACTION_COLOURS = {
    "新增": "success",
    "修改": "info",
    "删除": "danger",
    OrderAction.SHIP.label: "success",
    OrderAction.REFUND.label: "warning",
    StaffAction.LOGIN_REFUSED.label: "danger",
}
admin.site.unregister(LogEntry)


class PeriodFilter(ChoiceFilter):
    title, parameter_name = "日期", "day"

    def conditions_for(self, request: HttpRequest) -> dict[str, tuple[str, Q]]:
        now = local(times.now())
        today, *longer = (period_of(name, now) for name in PERIODS)
        yesterday = Q(timestamp__gte=today.last_begins, timestamp__lt=today.begins)
        since = {period.name: (period.label, Q(timestamp__gte=period.begins)) for period in (today, *longer)}
        return {"today": since["today"], "yesterday": ("昨天", yesterday)} | since


class ActionFilter(SelectFilter):
    title, parameter_name = "操作", "kind"
    conditions: ClassVar = {str(number): (label, Q(action=number)) for number, label in KINDS.items()}


class PersonFilter(SelectFilter):
    """Filter by a member of staff. auditlog's own filter offers every user."""

    title, parameter_name = "操作者", "person"

    def conditions_for(self, request: HttpRequest) -> dict[str, tuple[str, Q]]:
        scope = scope_of(request.user)
        people = [(pk, name) for pk, name in staff_names() if not scope.is_narrow or pk == scope.user_pk]
        return {str(pk): (name, Q(actor=pk)) for pk, name in people}


class WatchedModelFilter(SelectFilter):
    """Filter by the watched models. auditlog's own filter reads every entry to find out which models occur."""

    title, parameter_name = "对象类型", "model"

    def conditions_for(self, request: HttpRequest) -> dict[str, tuple[str, Q]]:
        models = [apps.get_model(label) for label in OBJECTS]
        kinds = ContentType.objects.get_for_models(*models)  # Django remembers them
        return {
            model._meta.label_lower: (str(model._meta.verbose_name), Q(content_type=kind.pk))
            for model, kind in kinds.items()
        }


# Above the list: what people ask most often, one click each.
SHORTCUTS: list[tuple[str, str]] = [
    ("今天", "day=today"),
    ("今天的退款", f"day=today&kind={OrderAction.REFUND}"),
    ("今天的发货", f"day=today&kind={OrderAction.SHIP}"),
    ("导入导出", f"kind={StaffAction.IMPORT},{StaffAction.EXPORT},{StaffAction.BULK},{StaffAction.UNDO}"),
    ("登录", f"kind={StaffAction.LOGIN},{StaffAction.LOGIN_REFUSED}"),
    ("角色权限", "model=permissions.role"),
    ("全部", ""),
]


def _visible(request: HttpRequest) -> Q:
    """Match the entries that the data scope of the own rows shows: each is about a row that the user sees on its page.

    Others' entries about a row that no scope is about may name what the user does not see: a file, a search.
    """
    visible = Q(pk__in=[])
    for label in (*OBJECTS, "students.ArchivedStudent"):
        if may_see(request, label):
            page, scope = admin_of(label), scope_of(request.user)
            kind = "students.Student" if label == "students.ArchivedStudent" else label
            entries = Q(
                content_type=ContentType.objects.get_for_model(apps.get_model(kind)),
                object_id__in=page.get_queryset(request).order_by().values("pk"),
            )
            of_rows = Q(actor=request.user.pk)
            if issubclass(page.model, EnteredRow):  # a room may be in sight by one of its students alone
                own = page.model._default_manager.filter(scope.visible(of=page.model)).order_by()
                of_rows |= Q(object_id__in=own.values("pk"))
            visible |= entries & of_rows
    return visible


def _is_of_kind(request: HttpRequest) -> bool:
    """Tell whether the list shows only some actions or objects."""
    return not {"kind", "model"}.isdisjoint(request.GET)


def _short(value: str, limit: int = VALUE_SHOWN) -> str:
    return value if len(value) <= limit else f"{value[:limit]}…"


@admin.register(LogEntry)
class ChangeAdmin(ReadOnlyRows, OfficeAdmin):
    """The list and the page of one entry. An entry stays when its record, or the user who made it, is deleted."""

    rights: ClassVar = {"view": "查看"}
    list_display = ["at", "actor_name", "kind", "what", "which", "fields_named", "remote_addr"]
    list_display_links = ["at"]
    sortable_by = ["at"]  # no other column has an index: 180,000 entries by address took 0.35 s
    list_filter = [PeriodFilter, ActionFilter, PersonFilter, WatchedModelFilter, ("timestamp", RangeDateTimeFilter)]
    list_filter_submit = True
    list_select_related = ["actor", "content_type"]
    list_per_page = 50
    search_fields = ["object_repr"]  # makes the search box appear; get_search_results decides what it finds
    search_help_text = "名称的开头（如订单号）、操作者的用户名，或出错页面上的编号"
    fields = ["at", "actor_name", "kind", "what", "which", "remote_addr", "cid", "others", "changes_table"]
    readonly_fields = fields
    at = column("时间", lambda entry: format_office_time(entry.timestamp), ordering="timestamp")
    kind = column("操作", lambda entry: KINDS.get(entry.action, "查看"), label=_ACTION_COLOURS)
    what = column("对象类型", lambda entry: str(entry.content_type.name))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        current = "&".join(f"{name}={request.GET[name]}" for name in ("day", "kind", "model") if name in request.GET)
        shortcuts = [(title, f"?{query}", query == current) for title, query in SHORTCUTS]
        return super().changelist_view(request, {"shortcuts": shortcuts} | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        entries = super().get_queryset(request)
        return entries.filter(_visible(request)) if scope_of(request.user).is_narrow else entries

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Tell each entry how many its action has, if it stands for others."""
        changelist = super().get_changelist_instance(request)
        if changelist.query or scope_of(request.user).is_narrow:
            return changelist  # by entry; and a user who sees only own entries sees no number of others'
        entries, of_kind = changelist.result_list, _is_of_kind(request)
        # Counted are all: the first object of an action has several entries if it was changed in several ways.
        others = Count("pk", filter=Q(additional_data=PART) if of_kind else Q(additional_data__isnull=False))
        names = ("cid", "content_type_id", "action") if of_kind else ("cid",)
        actions = LogEntry.objects.order_by().filter(cid__in={entry.cid for entry in entries if entry.cid})
        actions = actions.values(*names).annotate(others=others, number=Count("pk")).filter(others__gt=0)
        numbers = {tuple(key): number for *key, number in actions.values_list(*names, "number")}
        for entry in entries:
            entry.number = numbers.get(tuple(getattr(entry, name) for name in names), 0)
            kind = entry.content_type
            entry.number_query = f"&model={kind.app_label}.{kind.model}&kind={entry.action}" if of_kind else ""
        return changelist

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip() and not scope_of(request.user).is_narrow:
            # The first of an action stands for its other rows, in a list of one kind the first of that kind.
            is_other = Q(additional_data=OTHER) if _is_of_kind(request) else Q()
            queryset = queryset.filter(Q(additional_data__isnull=True) | is_other)
        if text := search_term.strip()[:MAX_SEARCH]:
            # Each condition has an index. A join with the actor would make PostgreSQL read all entries.
            beginning = Q(beginning__startswith=text[:BEGINNING])
            same = Q(object_pk=text) | Q(cid=text) | Q(actor__in=user_pks_of(text))
            queryset = queryset.alias(beginning=Left("object_repr", BEGINNING)).filter(beginning | same)
        return queryset, False

    @display(description="操作者")
    def actor_name(self, entry: LogEntry) -> str:
        if entry.action == StaffAction.LOGIN_REFUSED:
            return "—"  # the name was typed, and may be another person's
        return entry.actor.label if entry.actor else "系统"

    @display(description="对象")
    def which(self, entry: LogEntry) -> str | SafeString:
        kind = entry.content_type
        try:
            link = reverse(f"admin:{kind.app_label}_{kind.model}_change", args=[entry.object_pk])
        except NoReverseMatch:
            return entry.object_repr
        about = format_html('<a href="{}" class="text-link">{}</a>', link, entry.object_repr)
        if not (number := getattr(entry, "number", 0)):
            return about
        others = f"?q={entry.cid}{entry.number_query}"
        return format_html('{} <a href="{}" class="text-link">等 {} 条</a>', about, others, number)

    @display(description="内容")
    def fields_named(self, entry: LogEntry) -> str:
        """Return what an action says of itself, or the fields that were changed, with the value before and after."""
        changes = list(changes_of(entry))
        if entry.action in STAFF_ACTIONS:
            return " · ".join(_short(one.after, DEVICE_SHOWN) if one.field == DEVICE else one.after for one in changes)
        parts = [one.field for one in changes]
        if entry.action == LogEntry.Action.UPDATE:
            parts = [f"{one.field} {_short(one.before)} → {_short(one.after)}" for one in changes]
        return "，".join(parts[:FIELDS_NAMED]) + (f" 等 {len(parts)} 项" if len(parts) > FIELDS_NAMED else "")

    @display(description="同一次操作")
    def others(self, entry: LogEntry) -> str | SafeString:
        link = f"{list_url('auditlog.logentry')}?q={entry.cid}"
        return format_html('<a href="{}" class="text-link">查看全部</a>', link) if entry.cid else "—"

    @display(description="修改内容")
    def changes_table(self, entry: LogEntry) -> SafeString:
        return render_to_string("backoffice/changes.html", {"changes": changes_of(entry)})
