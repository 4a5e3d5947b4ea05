"""数据统计: some days beside those before and the year before, and groups; each with table and file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from backoffice.navigation import may_see, may_see_income
from backoffice.periods import Days, change_text, days_asked
from charts.echarts import PRODUCTS_BY, SERIES, Span, products_chart, students_chart
from core import times
from core.admin.listing import admin_of
from core.admin.password import require_password
from core.audit import StaffAction, action_record
from core.sheets.write import Page, book_write, download
from permissions.models import DataScope
from permissions.scope import Scope, scope_of
from students.classes import campuses

GROUPS_SHOWN = 20
DAYS_SHOWN = 62  # more of them are summed up by months
STUDENT_SERIES, MONEY_SERIES = ("students", "leavers", "logins"), ("orders", "income", "refunds")
GROUP_TITLES = {"class": "各班学员（含退学、结业）", "city": "学员来自哪里", "degree": "学历", "age": "年龄"}
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
    def top(self) -> float:
        """Return the largest number that is drawn."""
        return max([1, *(value for row in self.rows for value in row[1 : 3 if self.is_over_time else 2] if value)])

    @property
    def totals(self) -> list[Any]:
        return [round(sum(values), 2) for values in list(zip(*self.rows, strict=True))[1:]] if self.rows else []

    @property
    def compared(self) -> list[tuple[str, Any, str]]:
        """Return each of the spans with its total, and how much more or less the first one is, in percent."""
        now = self.totals[0]
        return [
            (label, total, change_text(now, total) if at else "")
            for at, (label, total) in enumerate(zip(self.head[1:], self.totals, strict=True))
        ]


def charts_of(request: HttpRequest, days: Days, scope: Scope) -> Iterator[Chart]:
    """Yield the charts that the user's rights open."""
    sees_money = may_see_income(request) and scope.is_all
    series = STUDENT_SERIES if scope.names is None else ("students", "leavers")  # logins and money are of no campus
    yield from _over_time([*series, *(MONEY_SERIES if sees_money else ())], days, scope, sees_money)
    for by, title in GROUP_TITLES.items():
        rows = [(row["name"], row["value"]) for row in students_chart(by, GROUPS_SHOWN, scope)]
        # Names by their number of students, but ages by themselves: the bands sort as texts.
        yield Chart(by, title, ["", "人数"], sorted(rows) if by == "age" else rows)
    for by in PRODUCTS_BY if sees_money else ():
        sold = products_chart(by, days.first, days.last, GROUPS_SHOWN, None)
        rows_sold = [(row["name"], row["value"], row["amount"]) for row in sold]
        yield Chart(by, f"{days.label}{SALES_TITLES[by]}", ["", "件数", "金额（元）"], rows_sold)


def _over_time(keys: Sequence[str], days: Days, scope: Scope, sees_money: bool) -> Iterator[Chart]:
    """Yield the charts of these series, each from one query for all its spans."""
    # A year's days before are those of the year before.
    spans = list(dict.fromkeys([days, days.before(), days.year_before()]))
    by = "day" if days.number <= DAYS_SHOWN else "month"
    whole = Span("day", min(span.first for span in spans), days.last, scope, sees_orders=sees_money)
    for key in keys:
        title, figures, _ = SERIES[key]
        numbers = figures(whole)
        columns = [_summed(numbers, span, by) for span in spans]
        points = max(columns, key=len)  # the month before may be longer
        sums = zip_longest(*(column.values() for column in columns), fillvalue=0)
        rows = [(_mark(point, by), *of_point) for point, of_point in zip(points, sums, strict=True)]
        unit = "（元）" if key in ("income", "refunds") else ""
        yield Chart(key, f"{title}{unit}", ["", *(span.label for span in spans)], rows, is_over_time=True)


def _summed(numbers: dict[date, Any], days: Days, by: str) -> dict[date, Any]:
    """Return the sum of each day or month of these days, oldest first."""
    sums: dict[date, Any] = {}
    for day in days.all:
        point = day if by == "day" else day.replace(day=1)
        sums[point] = round(sums.get(point, 0) + numbers.get(day, 0), 2)
    return sums


def _mark(point: date, by: str) -> str:
    return f"{point.month}月" if by == "month" else f"{point.month}/{point.day}"


def figures_page(request: HttpRequest) -> HttpResponse:
    """Show the charts, of one campus if there are campuses, or send the table of the one that ``?file=`` names.

    :raises PermissionDenied: the user may not see students, or may not export what the chart is made of.
    """
    if not may_see(request, "students.student"):
        raise PermissionDenied
    today = times.local(times.now()).date()
    days = days_asked(request, today, default=today.replace(month=1, day=1))
    scope = scope_of(request.user).school
    by_campus, campus = campuses(scope), request.GET.get("campus", "")
    if campus in by_campus:
        scope = Scope(DataScope.CAMPUS, 0, frozenset(by_campus[campus])).school
    charts = {chart.key: chart for chart in charts_of(request, days, scope)}
    place, query = (f" {campus}", "&" + urlencode({"campus": campus})) if scope.names is not None else ("", "")
    if name := request.GET.get("file"):
        if name not in charts:
            raise Http404
        return _file(request, charts[name], f"{place.replace(' ', '-')}-{days.title.replace(' ', '')}")
    context = admin.site.each_context(request) | {
        "title": f"数据统计 {days.label}{place}",
        "charts": charts.values(),
        "days": days,
        "shortcuts": [(label, address + query, is_shown) for label, address, is_shown in days.shortcuts()],
        "campuses": by_campus,
        "campus": campus,
        "query": days.query + query,
    }
    return render(request, "backoffice/figures.html", context)


def _file(request: HttpRequest, chart: Chart, suffix: str) -> HttpResponse:
    is_money = chart.key in (*MONEY_SERIES, *PRODUCTS_BY)
    if not admin_of("shop.order" if is_money else "students.student").may_export(request):
        raise PermissionDenied
    require_password(request, is_download=True)
    name = f"{chart.title}{suffix}.xlsx".replace("/", "_")
    action_record(request.user, StaffAction.EXPORT, {"文件": name})
    head = ["项目", *chart.head[1:]]
    return download(name, book_write(Page(chart.title, head, chart.rows, [24, 14, 14, 14], range(1, len(head)))))
