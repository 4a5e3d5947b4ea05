"""Make what ECharts takes out of the figures of other apps: names with values, and series over days."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from accounts.selectors import logins
from attendance.selectors import attendance_rates
from charts.spans import Span
from core.money import wire
from permissions.scope import Scope
from shop.revenue import products_sold
from students.figures import entries, entries_by_month, leavers, students_by

OTHERS, NOT_FILLED_IN = "其他", "未填写"


# The series of a trend: what it is called, its figures, and the value of a day without any.
SERIES: dict[str, tuple[str, Callable[[Span], dict[date, Any]], int | None]] = {
    "students": ("新增学员", lambda span: entries(*span.days, span.scope), 0),
    "leavers": ("离开学员", lambda span: leavers(*span.days, span.scope), 0),
    "logins": ("登录次数", lambda span: logins(*span.days, span.login_pk), 0),
    "orders": ("付款订单", lambda span: {day: number for day, (number, _) in span.paid.items()}, 0),
    "income": ("收入", lambda span: {day: wire(amount) for day, (_, amount) in span.paid.items()}, 0),
    "refunds": ("退款", Span.refunds, 0),
    "attendance": ("出勤率", lambda span: attendance_rates(*span.days, span.scope), None),
}
STUDENTS_BY = ("city", "class", "degree", "age", "month")
PRODUCTS_BY = ("product", "category")


class NamedValue(TypedDict):
    name: str
    value: int


class NamedSales(NamedValue):
    amount: int | float


class Line(TypedDict):
    name: str
    key: str
    data: list[int | float | None]


class Trend(TypedDict):
    xAxis: list[str]
    series: list[Line]


class Overview(TypedDict):
    students: int
    classes: int
    newStudents: int
    logins: int
    orders: int
    income: int | float
    refunds: int | float
    attendanceRate: Annotated[float | None, "今天的出勤率,0 到 1;今天没有结束的考勤时为 null"]


def trend(names: Iterable[str], span: Span) -> Trend:
    """Return the series of these names, with a value for every point.

    :raises TooManyPoints: the span has more than ``MAX_POINTS``.
    """
    points = span.points
    series: list[Line] = []
    for key in names:
        name, figures, empty = SERIES[key]
        values = figures(span)
        series.append({"name": name, "key": key, "data": [values.get(point, empty) for point in points]})
    return {"xAxis": [str(point) for point in points], "series": series}


def students_chart(by: str, limit: int, scope: Scope) -> list[NamedValue]:
    """Return the groups, largest first, and months in time; beyond ``limit`` the small groups or old months as 其他."""
    if by == "month":
        months = entries_by_month(scope)
        kept, rest = months[-limit:], months[:-limit]
    else:
        groups = students_by(by, scope)
        kept, rest = groups[:limit], groups[limit:]
    others = [(OTHERS, sum(number for _, number in rest))] if rest else []
    return [{"name": name or NOT_FILLED_IN, "value": number} for name, number in [*kept, *others]]


def products_chart(
    by: str, first: date | None, last: date | None, limit: int, buyer_pk: int | None
) -> list[NamedSales]:
    """Return pieces and yuan of what was sold, most pieces first; beyond ``limit`` the rest as 其他."""
    rows: Sequence[tuple[str, int, Decimal]] = products_sold(by, first, last, buyer_pk)
    kept, rest = list(rows[:limit]), rows[limit:]
    if rest:
        kept.append((OTHERS, sum(pieces for _, pieces, _ in rest), sum((amount for *_, amount in rest), Decimal())))
    return [{"name": name, "value": pieces, "amount": wire(amount)} for name, pieces, amount in kept]


def overview(today: Span, classes: int, students: int) -> Overview:
    """Return the figures of one day."""
    values: dict[str, Any] = {line["key"]: line["data"][0] for line in trend(SERIES, today)["series"]}
    return {
        "students": students,
        "classes": classes,
        "newStudents": values["students"],
        "logins": values["logins"],
        "orders": values["orders"],
        "income": values["income"],
        "refunds": values["refunds"],
        "attendanceRate": values["attendance"],
    }
