"""The days of a trend, each of which is a point, and whose figures are asked for."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property

from charts.errors import TooManyPoints
from core.money import fen_to_yuan, wire
from core.times import unit_begin
from payments.figures import refunded
from permissions.scope import Scope
from shop.revenue import paid
from shop.selectors import order_numbers_of

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
