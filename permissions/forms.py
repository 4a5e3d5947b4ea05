"""The form of a role in the back office: ticks for calls and rights, switches for buttons, a tree for the menu.

Without JavaScript each widget is a plain HTML control; static/backoffice/roles.js adds filters, "select all" and the
tree. A part that staff did not edit is saved as it was, without being checked: a role may hold parts that the form
would refuse (written by an older release or directly in the database), and they must not block a change of something
else.
"""

import json
from typing import Any

import orjson
from django import forms
from django.contrib.auth.models import Permission
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold import widgets

from permissions.choices import offered_rights, office_rights, row_choices, row_notes
from permissions.models import ClientButton, DataScope, Role
from permissions.role_validation import MAX_DEPTH, MAX_NAME, menu_problem, rows_problem
from permissions.selectors import menu_names_in_use
from permissions.services.roles import menu_with_home

SCOPE_HELP = (
    "对学员、考勤、宿舍、商品和类目：全部；能看全部、只能改自己录入的；本校区：用户所在校区的班，加上本班的；"
    "本班：自己当班主任或任课的班，加上自己录入的；仅本人：自己录入的"
)
RIGHTS_HELP = (
    "此角色的后台人员能查看和修改什么。订单没有勾“看完整电话”的，打印的配货单上也是 138****0140，快递员打不通；"
    "日报要“看首页和日报的收入”，还要查看订单、支付单、退款单、对账记录和对账差异"
)


class _ProjectTemplate:
    """Renders a widget with a template of the project; Django's form renderer searches the apps' templates only."""

    class Media:
        js = [Script("backoffice/roles.js", defer=True)]
        css = {"all": ["backoffice/roles.css"]}

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        return render_to_string(template_name, context)


class Switches(widgets.UnfoldAdminCheckboxSelectMultipleWidget):
    def __init__(self) -> None:
        super().__init__()
        self.attrs = {"class": " ".join(widgets.SWITCH_CLASSES)}


class Picker(_ProjectTemplate, forms.CheckboxSelectMultiple):
    """Ticks in groups, with a text filter above them."""

    template_name = "permissions/picker.html"

    def __init__(self) -> None:
        super().__init__({"class": " ".join(widgets.CHECKBOX_CLASSES)})


class RowPicker(Picker):
    """Ticks for calls, and a text field for all other rows: those that end in ``*`` or name a path that is gone."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        lines = [line.strip() for value in data.getlist(name) for line in value.splitlines()]
        return [line for line in lines if line]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        own_rows = {row for _, choices in self.choices for row, _ in choices}
        others = [row for row in value or [] if row not in own_rows]
        text = widgets.UnfoldAdminTextareaWidget({"rows": min(len(others), 8) + 2})
        context["widget"] |= {
            "is_rows": True,
            "others": text.render(name, "\n".join(others), {"id": f"{context['widget']['attrs'].get('id')}_others"}),
            "notes": row_notes(others),
        }
        return context


class MenuTree(_ProjectTemplate, widgets.UnfoldAdminTextareaWidget):
    """A text field with the JSON of a menu, which roles.js replaces by a tree."""

    template_name = "permissions/menu_tree.html"

    def __init__(self) -> None:
        super().__init__({"spellcheck": "false"})

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"] |= {"names": menu_names_in_use(), "max_depth": MAX_DEPTH, "max_name": MAX_NAME}
        return context


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
    data_scope = forms.ChoiceField(
        label="数据权限", choices=DataScope.choices, initial=DataScope.ALL, help_text=SCOPE_HELP,
        widget=widgets.UnfoldAdminSelectWidget,
    )  # fmt: skip
    menu = MenuField(label="菜单", required=False)
    rows = RowsField(label="可调用的接口", required=False)
    buttons = forms.MultipleChoiceField(label="按钮权限", required=False, widget=Switches)
    permissions = forms.ModelMultipleChoiceField(
        label="后台权限", queryset=Permission.objects.none(), required=False, widget=Picker, help_text=RIGHTS_HELP
    )

    class Meta:
        model = Role
        fields = ["roleid", "name", "menu", "buttons", "rows", "data_scope", "permissions"]
        help_texts = {"roleid": "客户端用它认出角色，如 104；没有用过的数字，保存以后不能修改"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        if self.instance.pk:
            self.initial["data_scope"] = self.instance.scope
        if self.instance.origin:
            for name in ("permissions", *Role.FOLLOWING):
                del fields[name]
            return
        fields["rows"].widget.choices = row_choices(self.instance.rows)
        # A button that does not exist is shown, so that staff can see it and must remove it.
        unknown = [button for button in self.instance.buttons if button not in ClientButton.values]
        fields["buttons"].choices = [*ClientButton.choices, *((name, f"{name}（没有这个按钮）") for name in unknown)]
        rights = office_rights()
        fields["permissions"].queryset = offered_rights()
        groups: dict[str, list[tuple[int, str]]] = {}
        for right in rights:
            groups.setdefault(right.records, []).append((right.permission.pk, right.verb))
        fields["permissions"].choices = list(groups.items())
        # A role may have rights that open no page. The form does not offer them, so clean_permissions adds them again:
        # otherwise saving would silently take them away.
        present, visible = self.initial.get("permissions", []), {right.permission for right in rights}
        self.hidden_rights = [right for right in present if right not in visible]
        self.initial["permissions"] = [right for right in present if right in visible]

    def clean_data_scope(self) -> str:
        columns = DataScope(self.cleaned_data["data_scope"]).columns
        for name, value in columns.items():
            setattr(self.instance, name, value)
        return str(columns["data_scope"])

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
        choice = dict.fromkeys(self.cleaned_data["rows"])
        rows = [row for row in dict.fromkeys(present) if row in choice] + [row for row in choice if row not in present]
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
