"""The back office's list of recorded changes; it can only be read."""

from typing import Any

from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from backoffice.audit import WATCHED, changes_of
from core.admin.base import OfficeAdmin
from core.admin.paginator import BoundedPaginator
from core.times import dash

FIELDS_NAMED = 4

admin.site.unregister(LogEntry)


class WatchedModelFilter(admin.SimpleListFilter):
    """Filter by the watched models. auditlog's own filter reads every entry to find out which models occur."""

    title, parameter_name = "对象类型", "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(label.lower(), str(apps.get_model(label)._meta.verbose_name)) for label in WATCHED]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        label = self.value()
        if label is None or label not in {watched.lower() for watched in WATCHED}:
            return queryset
        return queryset.filter(content_type=ContentType.objects.get_for_model(apps.get_model(label)))


@admin.register(LogEntry)
class ChangeAdmin(OfficeAdmin):
    list_display = ["at", "actor_name", "kind", "what", "which", "fields_named", "remote_addr"]
    list_display_links = ["at"]
    list_filter = [("timestamp", RangeDateTimeFilter), "action", WatchedModelFilter]
    list_filter_submit = True
    list_select_related = ["actor", "content_type"]
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    search_fields = ["object_repr__startswith", "object_pk__exact", "actor__username__exact", "cid__exact"]
    search_help_text = "对象名称的开头、对象主键、操作者用户名或请求编号"
    fields = ["at", "actor_name", "kind", "what", "which", "remote_addr", "cid", "changes_table"]
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        # Entries stay when their record is deleted. Django asks this too when a user with entries is deleted.
        return False

    @display(description="时间", ordering="timestamp")
    def at(self, entry: LogEntry) -> str:
        return dash(entry.timestamp)

    @display(description="操作者")
    def actor_name(self, entry: LogEntry) -> str:
        return entry.actor.get_username() if entry.actor else "系统"

    @display(description="操作", label={"新增": "success", "修改": "info", "删除": "danger"})
    def kind(self, entry: LogEntry) -> str:
        return str(entry.get_action_display())

    @display(description="对象类型")
    def what(self, entry: LogEntry) -> str:
        return str(entry.content_type.name)

    @display(description="对象")
    def which(self, entry: LogEntry) -> str | SafeString:
        kind = entry.content_type
        try:
            link = reverse(f"admin:{kind.app_label}_{kind.model}_change", args=[entry.object_pk])
        except NoReverseMatch:
            return entry.object_repr
        return format_html('<a href="{}" class="text-link">{}</a>', link, entry.object_repr)

    @display(description="修改的字段")
    def fields_named(self, entry: LogEntry) -> str:
        names = [change.field for change in changes_of(entry)]
        return "、".join(names[:FIELDS_NAMED]) + (f" 等 {len(names)} 项" if len(names) > FIELDS_NAMED else "")

    @display(description="修改内容")
    def changes_table(self, entry: LogEntry) -> SafeString:
        return render_to_string("backoffice/changes.html", {"changes": changes_of(entry)})
