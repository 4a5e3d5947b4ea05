"""Roles in the back office: the list and the form, and what a data scope changes on the pages of other apps."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import OfficeAdmin, PasswordFirst
from core.times import format_office_time
from permissions.forms import RoleForm
from permissions.models import DEFAULT_ROLEID, ClientButton, Role
from permissions.offered_rights import calls_by_rows, calls_of, offered_rights, rights_by_records
from permissions.scope import scope_of
from permissions.seed import HOME, TEMPLATES
from permissions.services.roles import copies_follow


class ScopedAdmin(OfficeAdmin):
    """A page whose rows a member of staff may change as far as the data scope allows."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))


@admin.register(Role)
class RoleAdmin(PasswordFirst, OfficeAdmin):
    """Roles, which root alone may change: any other user could take every right."""

    form = RoleForm
    rights: ClassVar = {"view": "查看"}
    list_display = ["name", "roleid", "user_count", "call_count", "button_names", "updated"]
    search_fields = ["name", "roleid"]
    search_help_text = "角色名称或编号"
    ordering = ["pk"]  # Meta's does not count with the number of users
    fieldsets: Any = [
        (None, {"fields": ["roleid", "name", "data_scope", ("created_at", "updated_at")]}),
        ("后台", {"fields": ["permissions"], "classes": ["tab"]}),
        ("客户端", {"fields": ["menu", "buttons", "rows", "other_rows"], "classes": ["tab"]}),
    ]
    shown_to_others = ("roleid", "name", "scope_name", "right_names", "menu_tree", "button_names", "call_names")
    readonly_fields = ["origin", "created_at", "updated_at"]
    change_form_before_template = "permissions/form_head.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        return super().get_queryset(request).select_related("origin").annotate(user_total=Count("users"))

    @display(description="用户数", ordering="user_total")
    def user_count(self, role: Any) -> SafeString:
        users = reverse("admin:accounts_user_changelist")
        return format_html('<a class="text-link" href="{}?role__id__exact={}">{}</a>', users, role.pk, role.user_total)

    @display(description="可调用的接口")
    def call_count(self, role: Role) -> str:
        number = len(calls_of(role))
        return "全部" if number == len(calls_by_rows()) else f"{number} 个"

    @display(description="按钮权限")
    def button_names(self, role: Role) -> str:
        return "、".join(ClientButton(button).label for button in role.buttons if button in ClientButton.values) or "—"

    @display(description="更新时间", ordering="updated_at")
    def updated(self, role: Role) -> str:
        return format_office_time(role.updated_at)

    @display(description="数据权限")
    def scope_name(self, role: Role) -> str:
        return role.scope.label

    @display(description="后台权限")
    def right_names(self, role: Role) -> str:
        pks = set(role.permissions.values_list("pk", flat=True))
        groups = {
            records: [verb for pk, verb in rights if role.is_root or pk in pks]
            for records, rights in rights_by_records().items()
        }
        return "；".join(f"{records}：{'、'.join(verbs)}" for records, verbs in groups.items() if verbs) or "—"

    @display(description="菜单")
    def menu_tree(self, role: Role) -> SafeString:
        return render_to_string("permissions/menu_level.html", {"level": role.menu})

    @display(description="可调用的接口")
    def call_names(self, role: Role) -> str:
        return "、".join(call.row_title for call in calls_of(role)) or "—"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return super().has_change_permission(request, obj) and request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        may = super().has_delete_permission(request, obj) and request.user.is_superuser
        # Users who register or log in by a scan get the default role, so it must exist.
        return may and not (obj and (obj.is_root or obj.roleid == DEFAULT_ROLEID))

    def get_fieldsets(self, request: HttpRequest, obj: Role | None = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": self.shown_to_others})]
        if obj is None or obj.origin is None:
            return self.fieldsets
        return [(None, {"fields": ["roleid", "name", "origin", "data_scope", ("created_at", "updated_at")]})]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        copies_follow(origin=form.instance)

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> list[str]:
        # Clients store the number and users refer to it, so it cannot change later.
        return [*self.readonly_fields, "roleid"] if obj else list(self.readonly_fields)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        if template := TEMPLATES.get(request.GET.get("template", "")):
            names = set(template["permissions"])
            rights = [one for one in offered_rights() if f"{one.content_type.app_label}.{one.codename}" in names]
            return template | {"permissions": rights}
        return {"menu": [{"name": HOME}]} | super().get_changeform_initial_data(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        templates = [(key, template["name"]) for key, template in TEMPLATES.items()]
        return super().add_view(request, form_url, {"templates": templates} | (extra_context or {}))
