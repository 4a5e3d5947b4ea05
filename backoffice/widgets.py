"""The pieces of the first page: tiles and panels, which ``templates/admin/index.html`` draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
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


class Row(NamedTuple):
    """One bar of a panel; ``mark`` stands behind its number."""

    label: str
    number: int
    link: str
    mark: str = ""


@dataclass(frozen=True)
class Panel:
    """Bars below each other, of which one with the number ``full`` takes the whole width."""

    title: str
    rows: list[Row]
    full: int
    empty: str
    hint: str = ""
    link: str = ""


def list_url(label: str, **query: Any) -> str:
    """Return the address of a model's list, filtered: ``list_url("shop.order", state__exact="open")``."""
    return f"{_list_url(label)}?{urlencode(query)}" if query else _list_url(label)


@cache  # the menu asks for twenty-five of them on every page
def _list_url(label: str) -> str:
    app, model = label.split(".")
    return reverse(f"admin:{app}_{model}_changelist")


def polyline(values: Sequence[float]) -> str:
    """Return the points of an SVG line from 0 upwards, in a field of 100 by 30 that the page stretches."""
    across, up = 100 / (len(values) - 1), 30 / (max(values) or 1)
    return " ".join(f"{x * across:.1f},{30 - y * up:.1f}" for x, y in enumerate(values))
