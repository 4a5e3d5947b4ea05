"""Draw a temperature chart as one SVG element, without scripts or files from other servers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from core.times import local

WIDTH, HEIGHT = 760, 240
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 14, 28
_NUMBER = re.compile(r"-?\d{1,2}(?:\.\d+)?")


@dataclass(frozen=True)
class Curve:
    """A line of the chart. ``points`` are (time, °C), oldest first."""

    label: str
    color: str
    points: Sequence[tuple[datetime, float]]


def celsius(text: str) -> float | None:
    """Read a temperature as the provider writes it (``22``, ``-3℃``); return None if the text holds none."""
    match = _NUMBER.match(text.strip())
    return float(match[0]) if match else None


def temperature_chart(title: str, curves: Sequence[Curve]) -> SafeString | None:
    """Draw ``curves`` on a common scale; return None if they have fewer than two different times."""
    moments = [moment for curve in curves for moment, _ in curve.points]
    if len(set(moments)) < 2:
        return None
    plot = _Plot(min(moments), max(moments), [degrees for curve in curves for _, degrees in curve.points])
    return format_html(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" style="width:100%;height:auto;max-height:280px"'
        ' font-size="11" fill="currentColor">{}{}{}</svg>',
        *(WIDTH, HEIGHT, title),
        format_html_join("", "{}", ((line,) for line in plot.scale())),
        format_html_join("", "{}", ((plot.curve(curve),) for curve in curves)),
        format_html_join("", "{}", ((mark,) for mark in plot.days())),
    )


class _Plot:
    """Maps times and temperatures to coordinates of the picture."""

    def __init__(self, first: datetime, last: datetime, degrees: list[float]) -> None:
        self.first, self.last = first, last
        self.low, self.high = _round_down(min(degrees)), _round_down(max(degrees)) + 5

    def x(self, moment: datetime) -> float:
        share = (moment - self.first) / (self.last - self.first)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, degrees: float) -> float:
        share = (degrees - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def scale(self) -> list[SafeString]:
        line = (
            '<path d="M{} {}H{}" stroke="currentColor" opacity=".15"/><text x="{}" y="{}" text-anchor="end">{}°</text>'
        )
        step = 5 if self.high - self.low <= 40 else 10
        return [
            format_html(line, LEFT, self.y(degrees), WIDTH - RIGHT, LEFT - 6, self.y(degrees) + 4, degrees)
            for degrees in range(self.low, self.high + 1, step)
        ]

    def curve(self, curve: Curve) -> SafeString:
        path = " ".join(f"{self.x(moment)},{self.y(degrees)}" for moment, degrees in curve.points)
        return format_html(
            '<polyline points="{}" fill="none" stroke="{}" stroke-width="1.8" stroke-linejoin="round">'
            "<title>{}</title></polyline>",
            *(path, curve.color, curve.label),
        )

    def days(self) -> list[SafeString]:
        """Label both ends of the time axis, and up to six days between."""
        days = (self.last - self.first).days
        parts = min(days, 7) or 1
        ticks = [self.first + (self.last - self.first) * n / parts for n in range(parts + 1)]
        pattern = "%m-%d" if days else "%m-%d %H:%M"
        anchors = ["start", *["middle"] * (parts - 1), "end"]
        return [
            format_html(
                '<text x="{}" y="{}" text-anchor="{}">{}</text>',
                *(self.x(tick), HEIGHT - 8, anchor, local(tick).strftime(pattern)),
            )
            for tick, anchor in zip(ticks, anchors, strict=True)
        ]


def _round_down(degrees: float) -> int:
    return int(degrees // 5 * 5)
