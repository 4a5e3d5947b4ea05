"""Make what ECharts takes out of the figures of other apps: names with values, and series over days."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, TypedDict

from accounts.selectors import logins
from attendance.selectors import attendance_rates
from charts.errors import TooManyPoints
from core.money import fen_to_yuan, wire
from core.times import unit_begin
from payments.figures import refunded
from permissions.scope import Scope
from shop.revenue import paid, products_sold
from shop.selectors import order_numbers_of
from students.figures import entries, entries_by_month, leavers, students_by

OTHERS, NOT_FILLED_IN = "其他", "未填写"
MAX_POINTS = 400
_STEPS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}  # into the next month


@dataclass(frozen=True)
class Span:
    """The days from ``first`` to ``last``, both included, in units: ``day``, ``week`` or ``month``.

    Its figures are of the students in the scope; and of all orders, or of those that the caller has placed.
    """

    unit: str
    first: date
    last: date
    scope: Scope
    sees_orders: bool

    @property
    def days(self) -> tuple[str, date, date]:
        return self.unit, self.first, self.last

    @cached_property
    def points(self) -> list[date]:
        """Return every day, Monday or first of a month, oldest first.

        :raises TooManyPoints: there are more than ``MAX_POINTS``.
        """
        points, at = list[date](), unit_begin(self.unit, self.first)
        while at <= self.last:
            if len(points) == MAX_POINTS:
                raise TooManyPoints
            points.append(at)
            at = unit_begin(self.unit, at + _STEPS[self.unit])
        return points

    @property
    def buyer_pk(self) -> int | None:
        return None if self.sees_orders else self.scope.user_pk

    @property
    def login_pk(self) -> int | None:
        return self.scope.user_pk if self.scope.is_narrow else None

    @cached_property
    def paid(self) -> dict[date, tuple[int, Decimal]]:  # orders and income are of one query
        return paid(*self.days, self.buyer_pk)

    def refunds(self) -> dict[date, int | float]:
        numbers = None if self.buyer_pk is None else order_numbers_of(self.buyer_pk)
        fen = refunded(*self.days, numbers)
        return {day: wire(fen_to_yuan(number)) for day, number in fen.items()}


# The series of a trend: what it is called, its figures, and the value of a day without any.
SERIES: dict[str, tuple[str, Callable[[Span], dict[date, Any]], int | None]] = {
    "students": ("新增学员", lambda span: entries(*span.days, span.scope), 0),
    "leavers": ("离开学员", lambda span: leavers(*span.days, span.scope), 0),
    "logins": ("登录次数", lambda span: logins(*span.days, span.login_pk), 0),
    "orders": ("付款订单", lambda span: {day: number for day, (number, _) in span.paid.items()}, 0),
    "income": ("收款", lambda span: {day: wire(amount) for day, (_, amount) in span.paid.items()}, 0),
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
