"""The pieces of the first page: tiles, panels and bars, which ``templates/backoffice/`` draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse


@dataclass(frozen=True)
class Tile:
    """One number; ``tone`` is "warning" or "danger" where staff should act.

    :param right: ``model:verb``, the right to act; others do not see the tile.
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
    value: int
    link: str
    mark: str
    share: float  # percent of the longest


@dataclass(frozen=True)
class Panel:
    """Bars below each other."""

    title: str
    bars: list[Bar]
    empty: str
    hint: str = ""
    link: str = ""


def list_url(label: str, **query: Any) -> str:
    """Return the address of a model's list, filtered: ``list_url("shop.order", state__exact="open")``."""
    app, model = label.split(".")
    address = reverse(f"admin:{app}_{model}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


# Label, number, link, and the mark behind the number.
Row = tuple[str, int, str, str]


def rows_panel(title: str, rows: Sequence[Row], *, minimum: int = 1, **options: Any) -> Panel:
    """Return a panel of bars below each other. The largest number, or ``minimum``, takes the whole width."""
    longest = max([minimum, *(number for _, number, *_ in rows)])
    bars = [Bar(label, number, link, mark, round(number / longest * 100, 1)) for label, number, link, mark in rows]
    return Panel(title, bars, **options)


def polyline(values: Sequence[float]) -> str:
    """Return the points of an SVG line from 0 upwards, in a field of 100 by 30 that the page stretches."""
    across, up = 100 / (len(values) - 1), 30 / (max(values) or 1)
    return " ".join(f"{x * across:.1f},{30 - y * up:.1f}" for x, y in enumerate(values))
