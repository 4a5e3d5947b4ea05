"""数据统计: a year beside the year before, or a month beside the month before, and groups; each with table and file."""

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from backoffice.navigation import may_see, may_see_income
from charts.series import PRODUCTS_BY, SERIES, Sight, Span, products_chart, students_chart, trend
from core import times
from core.admin.listing import page_of
from core.admin.password import require_password
from core.audit import StaffAction, action_record
from core.sheets.write import download, sheet_write
from permissions.scope import scope_of

FIRST_YEAR, LAST_YEAR = 2000, 2200
GROUPS_SHOWN = 20
STUDENT_SERIES, MONEY_SERIES = ("students", "leavers", "logins"), ("orders", "income", "refunds")
GROUP_TITLES = {"class": "各班学员", "city": "学员来自哪里", "degree": "学历", "age": "年龄"}
SALES_TITLES = {"product": "卖出的商品", "category": "卖出的类目"}


@dataclass(frozen=True)
class Chart:
    """A chart and its table. The first column of ``rows`` is the label; the second one, and the third, are drawn."""

    key: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]
    is_over_time: bool = False

    @property
    def bars(self) -> list[tuple[Any, list[tuple[Any, float]]]]:
        """Return each row's label, and its numbers with their share of the largest one, in percent."""
        top = max([1, *(value for _, *values in self.rows for value in values[: self.drawn] if value)])
        return [
            (label, [(value, round((value or 0) / top * 100, 1)) for value in values[: self.drawn]])
            for label, *values in self.rows
        ]

    @property
    def drawn(self) -> int:
        return 2 if self.is_over_time else 1

    @property
    def totals(self) -> list[Any]:
        return [round(sum(values), 2) for values in list(zip(*self.rows, strict=True))[1:]] if self.rows else []


@dataclass(frozen=True)
class Period:
    """A year or a month, and the one before."""

    name: str
    first: date
    before: date

    @property
    def last(self) -> date:
        return _end(self.first, self.name)

    @property
    def unit(self) -> str:
        return "month" if self.name == "year" else "day"

    def label(self, first: date) -> str:
        return f"{first.year}年" if self.name == "year" else f"{first.year}年{first.month}月"

    def mark(self, point: date) -> str:
        return f"{point.month}月" if self.name == "year" else f"{point.day}日"


def period_asked(request: HttpRequest, today: date) -> Period:
    """Return the year of ``?year=2026``, or the month of ``?month=2026-11``; this year without either."""
    text = request.GET.get("month", "")
    try:
        first = date.fromisoformat(f"{text}-01" if text else f"{request.GET.get('year', '')}-01-01")
    except ValueError:
        first, text = today.replace(month=1, day=1), ""
    if not FIRST_YEAR < first.year <= LAST_YEAR:
        first, text = today.replace(month=1, day=1), ""
    if text:
        return Period("month", first, (first - timedelta(days=1)).replace(day=1))
    return Period("year", first, first.replace(year=first.year - 1))


def charts_of(request: HttpRequest, period: Period) -> Iterator[Chart]:
    """Yield the charts that the user's rights open."""
    scope = scope_of(request.user)
    sees_money = may_see_income(request) and scope.is_all
    sight = Sight(scope, sees_orders=sees_money)
    yield from _over_time([*STUDENT_SERIES, *(MONEY_SERIES if sees_money else ())], period, sight)
    for by, title in GROUP_TITLES.items():
        rows = [(row["name"], row["value"]) for row in students_chart(by, GROUPS_SHOWN, scope)]
        yield Chart(by, title, ["", "人数"], rows)
    for by in PRODUCTS_BY if sees_money else ():
        sold = products_chart(by, period.first, period.last, GROUPS_SHOWN, None)
        rows_sold = [(row["name"], row["value"], row["amount"]) for row in sold]
        yield Chart(by, f"{period.label(period.first)}{SALES_TITLES[by]}", ["", "件数", "金额（元）"], rows_sold)


def _over_time(keys: Sequence[str], period: Period, sight: Sight) -> Iterator[Chart]:
    spans = [Span(period.unit, first, _end(first, period.name), sight) for first in (period.first, period.before)]
    now, before = (trend(keys, span)["series"] for span in spans)
    points = max((span.points for span in spans), key=len)  # the month before may be longer
    for this, last in zip(now, before, strict=True):
        values = [_filled(line["data"], len(points)) for line in (this, last)]
        rows = list(zip(map(period.mark, points), *values, strict=True))
        unit = "（元）" if this["key"] in ("income", "refunds") else ""
        head = ["", period.label(period.first), period.label(period.before)]
        yield Chart(this["key"], f"{SERIES[this['key']][0]}{unit}", head, rows, is_over_time=True)


def figures_page(request: HttpRequest) -> HttpResponse:
    """Show the charts, or send the table of the one that ``?file=`` names.

    :raises PermissionDenied: the user may not see students, or may not export what the chart is made of.
    """
    if not may_see(request, "students.student"):
        raise PermissionDenied
    today = times.local(times.now()).date()
    period = period_asked(request, today)
    charts = {chart.key: chart for chart in charts_of(request, period)}
    if name := request.GET.get("file"):
        if name not in charts:
            raise Http404
        return _file(request, charts[name], period)
    context = admin.site.each_context(request) | {
        "title": f"数据统计 {period.label(period.first)}",
        "charts": charts.values(),
        "period": period,
        "query": request.GET.urlencode(),
        "shortcuts": _shortcuts(period, today),
        "is_open": period.first <= today <= period.last,
    }
    return render(request, "backoffice/figures.html", context)


def _file(request: HttpRequest, chart: Chart, period: Period) -> HttpResponse:
    is_money = chart.key in (*MONEY_SERIES, *PRODUCTS_BY)
    if not page_of("shop.order" if is_money else "students.student").may_export(request):
        raise PermissionDenied
    require_password(request, is_download=True)
    name = f"{chart.title}-{period.label(period.first)}.xlsx"
    action_record(request.user, StaffAction.EXPORT, {"文件": name})
    return download(name, sheet_write("xlsx", ["项目", *chart.head[1:]], chart.rows, [24, 14, 14]))


def _shortcuts(period: Period, today: date) -> list[tuple[str, str, bool]]:
    year, month = today.replace(month=1, day=1), today.replace(day=1)
    last_month = (month - timedelta(days=1)).replace(day=1)
    links = [
        ("今年", "year", year),
        ("去年", "year", year.replace(year=year.year - 1)),
        ("本月", "month", month),
        ("上月", "month", last_month),
    ]
    return [
        (
            label,
            f"?{name}={first:%Y}" if name == "year" else f"?{name}={first:%Y-%m}",
            (period.name, period.first) == (name, first),
        )
        for label, name, first in links
    ]


def _end(first: date, name: str) -> date:
    if name == "year":
        return first.replace(month=12, day=31)
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])


def _filled(values: Sequence[Any], length: int) -> list[Any]:
    return [*values, *[0] * (length - len(values))]
