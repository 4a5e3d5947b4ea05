"""What pages of the back office show besides form fields: tables and logs. On a phone each row is a card."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.times import dash

_NONE = format_html("{}", "—")


class Step(NamedTuple):
    at: datetime
    actor: str
    event: str
    change: str = ""  # from which state to which, in words
    detail: str = ""

    @property
    def moment(self) -> str:
        return dash(self.at)


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> SafeString:
    lines = [list(zip(titles, row, strict=True)) for row in rows]
    return render_to_string("backoffice/table.html", {"titles": titles, "rows": lines}) if lines else _NONE


def timeline(steps: Iterable[Step]) -> SafeString:
    """Who did what, oldest first."""
    return render_to_string("backoffice/timeline.html", {"steps": steps})
