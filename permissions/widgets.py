"""Widgets of the form of a role: ticks for calls and rights, switches for buttons, a tree for the menu.

Without JavaScript each is a plain HTML control; static/backoffice/roles.js adds filters, "select all" and the tree.
"""

from typing import Any

from django import forms
from django.forms.widgets import Script
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.widgets import (
    CHECKBOX_CLASSES,
    SWITCH_CLASSES,
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
)

from permissions.role_validation import MAX_DEPTH, MAX_NAME
from permissions.row_choices import row_notes
from permissions.selectors import menu_names_in_use


class _ProjectTemplate:
    """Renders a widget with a template of the project; Django's form renderer searches the apps' templates only."""

    class Media:
        js = [Script("backoffice/roles.js", defer=True)]
        css = {"all": ["backoffice/roles.css"]}

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        return render_to_string(template_name, context)


class Switches(UnfoldAdminCheckboxSelectMultipleWidget):
    def __init__(self) -> None:
        super().__init__()
        self.attrs = {"class": " ".join(SWITCH_CLASSES)}


class Picker(_ProjectTemplate, forms.CheckboxSelectMultiple):
    """Ticks in groups, with a text filter above them."""

    template_name = "permissions/picker.html"

    def __init__(self) -> None:
        super().__init__({"class": " ".join(CHECKBOX_CLASSES)})


class RowPicker(Picker):
    """Ticks for calls, and a text field for all other rows: those that end in ``*`` or name a path that is gone."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        lines = [line.strip() for value in data.getlist(name) for line in value.splitlines()]
        return [line for line in lines if line]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        offered = {row for _, choices in self.choices for row, _ in choices}
        others = [row for row in value or [] if row not in offered]
        text = UnfoldAdminTextareaWidget({"rows": min(len(others), 8) + 2})
        context["widget"] |= {
            "is_rows": True,
            "others": text.render(name, "\n".join(others), {"id": f"{context['widget']['attrs'].get('id')}_others"}),
            "notes": row_notes(others),
        }
        return context


class MenuTree(_ProjectTemplate, UnfoldAdminTextareaWidget):
    """A text field with the JSON of a menu, which roles.js replaces by a tree."""

    template_name = "permissions/menu_tree.html"

    def __init__(self) -> None:
        super().__init__({"spellcheck": "false"})

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"] |= {"names": menu_names_in_use(), "max_depth": MAX_DEPTH, "max_name": MAX_NAME}
        return context
