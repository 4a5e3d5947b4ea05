"""Show the phones and the identity card in part to who may not see more."""

from typing import Any

from django.http import HttpRequest
from unfold.decorators import display

from core.admin.base import OfficeAdmin
from students.columns import hidden_fields, label_of, value_shown

SHOWN = ("phone_shown", "parent_phone_shown", "id_card_shown")


def _partly(name: str) -> Any:
    return display(description=label_of(name))(lambda page, student: value_shown(name, getattr(student, name)) or "—")


class HiddenColumns(OfficeAdmin):
    """A page with a column beside each field that not everybody may read."""

    phone_shown, parent_phone_shown, id_card_shown = _partly("phone"), _partly("parent_phone"), _partly("id_card")

    def unasked(self, request: HttpRequest) -> set[str]:
        return super().unasked(request) | hidden_fields(request.user)


def partly_hidden(names: list[str], user: Any) -> list[str]:
    """Put in the place of the fields that this user may not read the columns that show them in part."""
    hidden = hidden_fields(user)
    return [f"{name}_shown" if name in hidden else name for name in names]
