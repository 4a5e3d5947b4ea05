"""The form of a role in the back office: ticks for calls and rights, switches for buttons, a tree for the menu.

Without JavaScript each widget is a plain HTML control; static/backoffice/roles.js adds filters, "select all" and the
tree.
"""

import json
from typing import Any, ClassVar

import orjson
from django import forms
from django.contrib.auth.models import Permission
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold import widgets

from permissions.models import ClientButton, DataScope, Role
from permissions.offered_rights import offered_rights, other_rows, rights_by_records, row_choices, rows_documented
from permissions.role_shape import MAX_DEPTH, MAX_NAME, menu_problem, rows_problem
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
NO_CALL = "不起作用：没有这个接口，或者它不由角色决定"
OTHER_ROWS_HELP = "每行一个，末尾可以是 *，例如 /students/* 包含此路径下现有和以后新增的接口。"


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
    """Ticks in groups, with a text filter above them. Those for calls also show the path."""

    template_name = "permissions/picker.html"

    def __init__(self) -> None:
        super().__init__({"class": " ".join(widgets.CHECKBOX_CLASSES)})


class MenuTree(_ProjectTemplate, widgets.UnfoldAdminTextareaWidget):
    """A text field with the JSON of a menu, which roles.js replaces by a tree."""

    template_name = "permissions/menu_tree.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"] |= {"names": menu_names_in_use(), "max_depth": MAX_DEPTH, "max_name": MAX_NAME}
        return context


class FlatDecoder(json.JSONDecoder):
    """Refuses deep nesting as no JSON. Python's decoder raises a RecursionError, which no field expects."""

    def decode(self, text: Any, *args: Any) -> Any:
        return orjson.loads(text)


class MenuField(forms.JSONField):
    widget = MenuTree

    def has_changed(self, initial: Any, data: Any) -> bool:
        # The form disables a field whose value it keeps (``core.admin.conflicts``); Django's own calls that a change.
        return not self.disabled and super().has_changed(initial, data)


class RoleForm(forms.ModelForm):  # type: ignore[type-arg]
    data_scope = forms.ChoiceField(
        label="数据权限", choices=DataScope.choices, initial=DataScope.ALL, help_text=SCOPE_HELP,
        widget=widgets.UnfoldAdminSelectWidget,
    )  # fmt: skip
    menu = MenuField(label="菜单", required=False, decoder=FlatDecoder, error_messages={"invalid": "不是有效的 JSON"})
    rows = forms.MultipleChoiceField(label="可调用的接口", required=False, widget=Picker)
    other_rows = forms.CharField(
        label="其他路径", required=False, widget=widgets.UnfoldAdminTextareaWidget, help_text=OTHER_ROWS_HELP
    )
    buttons = forms.MultipleChoiceField(label="按钮权限", required=False, choices=ClientButton.choices, widget=Switches)
    permissions = forms.ModelMultipleChoiceField(
        label="后台权限", queryset=Permission.objects.none(), required=False, widget=Picker, help_text=RIGHTS_HELP
    )

    columns: ClassVar = {"data_scope": [*DataScope.ALL.columns], "other_rows": ["rows"]}

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
            for name in ("permissions", "other_rows", *Role.FOLLOWING):
                del fields[name]
            return
        fields["permissions"].queryset = offered = offered_rights()
        fields["permissions"].choices = list(rights_by_records().items())
        # A role may have rights that open no page. The form does not offer them, and must not take them away.
        present = self.initial.get("permissions", [])
        self.initial["permissions"] = [right for right in present if right in offered]
        self.hidden_rights = [right for right in present if right not in offered]
        fields["rows"].choices = row_choices()
        self.documented = rows_documented(self.initial.get("rows", []))
        others = other_rows(self.documented)
        self.initial["rows"] = [row for row in self.documented if row not in others]
        self.initial["other_rows"] = "\n".join(others)
        if others:
            facts = [("", row, f"包含 {n} 个接口") if n else ("is-idle", row, NO_CALL) for row, n in others.items()]
            notes = format_html_join("", '<li class="{}"><code>{}</code> {}</li>', facts)
            fields["other_rows"].help_text = format_html('{}<ul class="ro-notes">{}</ul>', OTHER_ROWS_HELP, notes)

    def clean_data_scope(self) -> str:
        columns = DataScope(self.cleaned_data["data_scope"]).columns
        for name, value in columns.items():
            setattr(self.instance, name, value)
        return str(columns["data_scope"])

    def clean_menu(self) -> Any:
        menu = self.cleaned_data["menu"] or []
        if problem := menu_problem(menu):
            raise forms.ValidationError(problem)
        return menu_with_home(menu)

    def clean_other_rows(self) -> str:
        lines = [line.strip() for line in self.cleaned_data["other_rows"].splitlines()]
        rows = [*self.cleaned_data.get("rows", []), *filter(None, lines)]
        if problem := rows_problem(rows):
            raise forms.ValidationError(problem)
        is_same = set(rows) == set(self.documented)
        self.cleaned_data["rows"] = self.instance.rows if is_same else list(dict.fromkeys(rows))
        return ""

    def clean_permissions(self) -> list[Permission]:
        return [*self.cleaned_data["permissions"], *self.hidden_rights]
