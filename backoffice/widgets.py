"""The pieces of the first page: tiles, panels and bars, which ``templates/backoffice/`` draws."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

# Percent of a chart's height for the tallest column; the rest is for the numbers above and the marks below.
TALLEST = 78.0


@dataclass(frozen=True)
class Tile:
    """One number; ``tone`` is "warning" or "danger" where staff should act, who have the right ``model:verb``.

    :param spark: the points of the line of its last days.
    """

    label: str
    value: str | int
    link: str
    tone: str = ""
    hint: str = ""
    is_income: bool = False
    right: str = ""
    spark: str = ""


@dataclass(frozen=True)
class Bar:
    label: str
    value: str
    link: str
    mark: str
    share: float  # percent of the longest


@dataclass(frozen=True)
class Fact:
    label: str
    value: str
    is_ok: bool | None = None
    link: str = ""


@dataclass(frozen=True)
class Panel:
    title: str
    template: str
    width: str = "bo-half"
    hint: str = ""
    link: str = ""
    bars: list[Bar] = field(default_factory=list)
    axis: tuple[str, ...] = ()  # the numbers beside columns, from above
    are_numbered: bool = False
    empty: str = ""
    head: str = ""
    facts: list[Fact] = field(default_factory=list)
    is_income: bool = False


def list_url(label: str, **query: Any) -> str:
    """Return the address of a model's list, filtered: ``list_url("shop.order", state__exact="open")``."""
    app, model = label.split(".")
    address = reverse(f"admin:{app}_{model}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


# Label, number, link, and the mark behind the number or below the column.
Row = tuple[str, int | Decimal, str, str]


def rows_panel(title: str, rows: Iterable[Row], *, minimum: int = 1, **options: Any) -> Panel:
    """Return a panel of bars below each other. The largest number, or ``minimum``, takes the whole width."""
    return Panel(title, "backoffice/rows.html", bars=_bars(list(rows), "{}", minimum, 100.0), **options)


def columns_panel(title: str, rows: Sequence[Row], form: str = "{}", **options: Any) -> Panel:
    """Return a panel of columns with an axis, which ends at an even number."""
    top = max(2 * ceil(max(row[1] for row in rows) / 2), 2)
    bars = _bars(rows, form, top, TALLEST)
    return Panel(title, "backoffice/columns.html", bars=bars, axis=(f"{top:,}", f"{top // 2:,}"), **options)


def _bars(rows: Sequence[Row], form: str, minimum: int, tallest: float) -> list[Bar]:
    longest = float(max([minimum, *(row[1] for row in rows)]))
    return [
        Bar(label, form.format(number), link, mark, round(float(number) / longest * tallest, 1))
        for label, number, link, mark in rows
    ]
