"""Tables, logs and links on pages of the back office. On a phone each row is shown as a card."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.api.request import present_request
from core.times import format_office_time

_NONE = format_html("{}", "—")


class LogLine(NamedTuple):
    """One line of :func:`timeline`: who did what to a record, and when."""

    at: datetime
    actor: str
    event: str
    change: str = ""  # from which state to which, in words
    detail: str = ""

    @property
    def moment(self) -> str:
        return format_office_time(self.at)


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> SafeString:
    lines = [list(zip(titles, row, strict=True)) for row in rows]
    return render_to_string("backoffice/table.html", {"titles": titles, "rows": lines}) if lines else _NONE


def timeline(lines: Iterable[LogLine]) -> SafeString:
    """Render a record's log. The lines come in the order in which they are shown: newest first."""
    return render_to_string("backoffice/timeline.html", {"lines": lines})


def column(title: str, value: Callable[[Any], Any], **options: Any) -> Any:
    """Return a column of a list that is one expression of its row; ``options`` are those of ``display``."""
    return display(description=title, **options)(lambda page, row: value(row))


def choice_column(field: str, title: str, colours: dict[Any, str] | None = None) -> Any:
    """Return a column of a list with the words of a field that has choices, each in its colour."""
    return column(title, lambda row: str(getattr(row, f"get_{field}_display")()), label=colours)


def may_open(model: type[Model]) -> bool:
    """Tell whether the user of the present request may open the pages of a model's records."""
    request = present_request()  # the columns of a list are not passed it
    return request is not None and admin.site._registry[model].has_view_permission(request)


def page_link(row: Model, text: Any) -> SafeString:
    """Return ``text`` as a link to the page of ``row``, or alone for users whom that page would refuse."""
    if not may_open(type(row)):
        return format_html("{}", text)
    page = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="text-link underline" href="{}">{}</a>', page, text)
