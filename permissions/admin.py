from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from core.api.access import Access
from core.api.routing import endpoints
from permissions.models import Button, Role
from permissions.roleparts import menu_problem, rows_problem
from permissions.services.roles import menu_with_home

_VERBS = {"view": "查看", "add": "新增", "change": "修改", "delete": "删除"}


class Lines(forms.CharField):
    """A list, one entry a line."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (initial or []) != self.to_python(data)


class BackOfficeRights(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Permission) -> str:
        verb, _, model = obj.codename.partition("_")
        found = obj.content_type.model_class()
        return f"{found._meta.verbose_name if found else model}: {_VERBS.get(verb, verb)}"


class RoleForm(forms.ModelForm):
    rows = Lines(label="可调用的接口", required=False)
    buttons = forms.MultipleChoiceField(
        label="按钮权限", choices=Button, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    permissions = BackOfficeRights(
        label="后台权限",
        queryset=Permission.objects.none(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = Role
        fields = ["roleid", "name", "menu", "rows", "buttons", "permissions"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rows"].help_text = "每行一个,末尾可以是 *。可选:" + "、".join(
            f"{call.path} {call.title}" for call in endpoints() if call.access is Access.ROWS
        )
        if "permissions" in self.fields:
            self.fields["permissions"].queryset = _offered_rights()  # type: ignore[attr-defined]

    def clean_menu(self) -> Any:
        menu = self.cleaned_data["menu"] or []
        if problem := menu_problem(menu):
            raise forms.ValidationError(problem)
        return menu_with_home(menu)

    def clean_rows(self) -> list[str]:
        rows = self.cleaned_data["rows"]
        if problem := rows_problem(rows):
            raise forms.ValidationError(problem)
        return list(dict.fromkeys(rows))


def _offered_rights() -> Any:
    shown = [model._meta for model in admin.site._registry]
    return (
        Permission.objects.select_related("content_type")
        .filter(content_type__app_label__in={meta.app_label for meta in shown})
        .filter(content_type__model__in={meta.model_name for meta in shown})
        .order_by("content_type__app_label", "content_type__model", "pk")
    )


@admin.register(Role)
class RoleAdmin(ModelAdmin):
    """Only root changes roles: whoever may change one could give himself everything."""

    form = RoleForm
    list_display = ["name", "roleid", "user_count", "button_names", "updated_at"]
    search_fields = ["name", "roleid"]
    search_help_text = "角色名称或编号"
    readonly_fields = ["created_at", "updated_at"]

    @display(description="用户数")
    def user_count(self, role: Role) -> int:
        return role.users.count()

    @display(description="按钮权限")
    def button_names(self, role: Role) -> str:
        return "、".join(Button(button).label for button in role.buttons if button in Button.values) or "—"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        return super().has_change_permission(request, obj) and request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        may = super().has_delete_permission(request, obj) and request.user.is_superuser
        return may and not (obj and obj.is_root)

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> list[str]:
        # Clients and users refer to a role by its number.
        return [*self.readonly_fields, "roleid"] if obj else list(self.readonly_fields)
