"""Roles in the back office: the form, the preview, and the table of who may do what."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin.base import OfficeAdmin, PasswordFirst, page_shown
from core.api.access import Access
from core.times import format_office_time
from permissions.choices import calls_open_to_rows, offered_rights
from permissions.forms import RoleForm
from permissions.matrix import matrix, preview_of
from permissions.models import DEFAULT_ROLEID, ClientButton, Role
from permissions.seed import HOME, TEMPLATES
from permissions.services.roles import copies_follow


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
        ("客户端", {"fields": ["menu", "buttons", "rows"], "classes": ["tab"]}),
    ]
    readonly_fields = ["origin", "created_at", "updated_at"]
    change_form_before_template = "permissions/preview_button.html"
    list_before_template = "permissions/role_bar.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Role]:
        return super().get_queryset(request).select_related("origin").annotate(user_total=Count("users"))

    def get_list_display(self, request: HttpRequest) -> list[str]:
        columns = list(super().get_list_display(request))
        return [*columns, "preview_link"] if self.has_change_permission(request) else columns

    @display(description="用户数", ordering="user_total")
    def user_count(self, role: Any) -> SafeString:
        users = reverse("admin:accounts_user_changelist")
        return format_html('<a class="text-link" href="{}?role__id__exact={}">{}</a>', users, role.pk, role.user_total)

    @display(description="可调用的接口")
    def call_count(self, role: Role) -> str:
        calls = [call for group in calls_open_to_rows().values() for call in group]
        number = sum(role.may_call(call.paths, Access.ROWS) for call in calls)
        return "全部" if number == len(calls) else f"{number} 个"

    @display(description="按钮权限")
    def button_names(self, role: Role) -> str:
        return "、".join(ClientButton(button).label for button in role.buttons if button in ClientButton.values) or "—"

    @display(description="更新时间", ordering="updated_at")
    def updated(self, role: Role) -> str:
        return format_office_time(role.updated_at)

    @display(description="预览")
    def preview_link(self, role: Role) -> SafeString:
        return format_html(
            '<a class="text-link" href="{}">以此角色预览</a>', reverse("admin:permissions_role_preview", args=[role.pk])
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return super().has_change_permission(request, obj) and request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        may = super().has_delete_permission(request, obj) and request.user.is_superuser
        # Users who register or log in by a scan get the default role, so it must exist.
        return may and not (obj and (obj.is_root or obj.roleid == DEFAULT_ROLEID))

    def needed_because(self, request: HttpRequest, role: Role) -> str:
        return "是超级管理员的角色，不能删除" if role.is_root else "是新注册和扫码登录的用户得到的角色，不能删除"

    def get_fieldsets(self, request: HttpRequest, obj: Role | None = None) -> Any:
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

    # --- Preview: what a user with this role may call and see ---
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview)
        return [
            path("matrix/", self.admin_site.admin_view(self.matrix), name="permissions_role_matrix"),
            path("preview/", view, name="permissions_role_preview_new"),
            path("<int:pk>/preview/", view, name="permissions_role_preview"),
            *super().get_urls(),
        ]

    def matrix(self, request: HttpRequest) -> HttpResponse:
        """Show who may what, to users who may see roles."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = matrix() | {"may_see_users": request.user.has_perm("accounts.view_user")}
        return self._page(request, "谁能做什么", template="permissions/matrix.html", **context)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        may_only_look = self.has_view_permission(request) and not self.has_change_permission(request)
        if request.method == "GET" and may_only_look and (role := self.get_object(request, object_id)):
            return self._preview(request, role, _rights(role))
        return super().change_view(request, object_id, *args, **kwargs)

    def preview(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Preview the saved role (GET), or the role as the sent form would save it (POST)."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        role = None if pk is None else self.get_object(request, str(pk))
        if role is None and (pk is not None or request.method != "POST"):
            raise Http404
        if role and request.method != "POST":
            return self._preview(request, role, _rights(role))
        form = self.get_form(request, role)(request.POST, instance=role)
        if not form.is_valid():
            return self._page(request, "预览", form=form)
        rights = form.cleaned_data.get("permissions", _rights(form.instance) if pk else ())
        return self._preview(request, form.save(commit=False), rights)

    def _preview(self, request: HttpRequest, role: Role, permissions: Iterable[Permission]) -> HttpResponse:
        preview = preview_of(role, permissions, request, self.admin_site)
        flags = {"is_saved": request.method != "POST", "may_change": self.has_change_permission(request)}
        return self._page(request, f"以此角色预览：{role}", **flags, **preview)

    def _page(self, request: HttpRequest, title: str, **context: Any) -> HttpResponse:
        return page_shown(self, request, context.pop("template", "permissions/preview.html"), title, **context)


def _rights(role: Role) -> QuerySet[Permission]:
    return role.permissions.select_related("content_type")
