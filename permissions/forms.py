"""The form of a role in the back office.

A part that staff did not edit is saved as it was, without being checked: a role may hold parts that the form would
refuse (written by an older release or directly in the database), and they must not block a change of something else.
"""

import json
from typing import Any

import orjson
from django import forms
from django.contrib.auth.models import Permission

from permissions.models import ClientButton, Role
from permissions.office import OfficeRight, offered_rights, office_rights
from permissions.role_validation import menu_problem, rows_problem
from permissions.row_choices import row_choices
from permissions.services.roles import menu_with_home
from permissions.widgets import MenuTree, Picker, RowPicker, Switches


class MenuField(forms.Field):
    """A menu as JSON text. A text that is no JSON is shown again as it was typed."""

    widget = MenuTree

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value or []
        try:
            return orjson.loads(value) if value.strip() else []
        except orjson.JSONDecodeError as error:
            raise forms.ValidationError(f"不是有效的 JSON：第 {error.lineno} 行第 {error.colno} 列附近") from None

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(data) != (initial or [])
        except forms.ValidationError:
            return True


class RowsField(forms.Field):
    """The rows of a role; their order does not count as a change."""

    widget = RowPicker

    def has_changed(self, initial: Any, data: Any) -> bool:
        return set(initial or []) != set(data)


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]
    menu = MenuField(label="菜单", required=False)
    rows = RowsField(label="可调用的接口", required=False)
    buttons = forms.MultipleChoiceField(label="按钮权限", required=False, widget=Switches)
    permissions = forms.ModelMultipleChoiceField(
        label="后台权限", queryset=Permission.objects.none(), required=False, widget=Picker
    )

    class Meta:
        model = Role
        fields = ["roleid", "name", "menu", "buttons", "rows", "data_scope", "permissions"]
        help_texts = {"roleid": "客户端用它认出角色，如 104；没有用过的数字，保存以后不能修改"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["rows"].widget.choices = row_choices(self.instance.rows)
        # A button that does not exist is shown, so that staff can see it and must remove it.
        unknown = [button for button in self.instance.buttons if button not in ClientButton.values]
        fields["buttons"].choices = [*ClientButton.choices, *((name, f"{name}（没有这个按钮）") for name in unknown)]
        rights = office_rights()
        fields["permissions"].queryset = offered_rights()
        fields["permissions"].choices = _by_records(rights)
        # A role may have rights that open no page. The form does not offer them, so clean_permissions adds them again:
        # otherwise saving would silently take them away.
        present, visible = self.initial.get("permissions", []), {right.permission for right in rights}
        self.hidden_rights = [right for right in present if right not in visible]
        self.initial["permissions"] = [right for right in present if right in visible]

    def clean_menu(self) -> Any:
        if self._is_untouched("menu"):
            return self.instance.menu
        menu = self.cleaned_data["menu"]
        if problem := menu_problem(menu):
            raise forms.ValidationError(problem)
        return menu_with_home(menu)

    def clean_rows(self) -> list[str]:
        present = self.instance.rows
        if self._is_untouched("rows"):
            return present
        # The rows that stay keep their order, and new ones come last.
        chosen = dict.fromkeys(self.cleaned_data["rows"])
        rows = [row for row in dict.fromkeys(present) if row in chosen] + [row for row in chosen if row not in present]
        if problem := rows_problem(rows):
            raise forms.ValidationError(problem)
        return rows

    def clean_buttons(self) -> list[str]:
        return self.instance.buttons if self._is_untouched("buttons") else self.cleaned_data["buttons"]

    def clean_permissions(self) -> list[Permission]:
        return [*self.cleaned_data["permissions"], *self.hidden_rights]

    def _is_untouched(self, name: str) -> bool:
        """Tell whether the field ``name`` of an existing role was sent as it was shown."""
        return bool(self.instance.pk) and name not in self.changed_data


def _by_records(rights: list[OfficeRight]) -> list[tuple[str, list[tuple[int, str]]]]:
    groups: dict[str, list[tuple[int, str]]] = {}
    for right in rights:
        groups.setdefault(right.records, []).append((right.permission.pk, right.verb))
    return list(groups.items())
