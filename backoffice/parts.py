"""The pieces of the dashboard (tiles, panels, bars), which ``templates/backoffice/`` draws."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

# Percent of a chart's height for the tallest column; the rest is for the numbers above and the marks below.
TALLEST = 78.0


@dataclass(frozen=True)
class Tile:
    """One number; ``tone`` is "warning" or "danger" where somebody should act."""

    label: str
    value: str | int
    link: str
    tone: str = ""
    hint: str = ""
    is_income: bool = False


@dataclass(frozen=True)
class Bar:
    label: str
    value: str | int
    link: str
    share: float  # percent of the longest
    mark: str = ""


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
    bars: list[Bar] | None = field(default_factory=list)
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


def shares(numbers: Iterable[int | Decimal], tallest: float = 100.0) -> list[float]:
    """Return the lengths of bars in percent of the largest number, which gets ``tallest``."""
    values = list(numbers)
    most = max([*values, 1])
    return [round(float(value) / float(most) * tallest, 1) for value in values]
