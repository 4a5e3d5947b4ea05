"""The days of a trend, each of which is a point."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import islice

from charts.errors import TooManyPoints
from charts.sight import Sight
from core.money import fen_to_yuan, wire
from core.times import unit_begin
from payments.figures import refunded
from shop.revenue import paid
from shop.selectors import order_numbers_of

MAX_POINTS = 400
_STEPS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}  # into the next month


@dataclass(frozen=True)
class Span:
    """The days from ``first`` to ``last``, both included, in units: ``day``, ``week`` or ``month``."""

    unit: str
    first: date
    last: date
    sight: Sight

    @property
    def days(self) -> tuple[str, date, date]:
        return self.unit, self.first, self.last

    @cached_property
    def points(self) -> list[date]:
        """Return every day, Monday or first of a month, oldest first.

        :raises TooManyPoints: there are more than ``MAX_POINTS``.
        """
        points = list(islice(self._points(), MAX_POINTS + 1))
        if len(points) > MAX_POINTS:
            raise TooManyPoints
        return points

    def _points(self) -> Iterator[date]:
        at = unit_begin(self.unit, self.first)
        while at <= self.last:
            yield at
            at = unit_begin(self.unit, at + _STEPS[self.unit])

    @cached_property
    def paid(self) -> dict[date, tuple[int, Decimal]]:  # orders and income are of one query
        return paid(*self.days, self.sight.buyer_pk)

    def refunds(self) -> dict[date, int | float]:
        buyer_pk = self.sight.buyer_pk
        fen = refunded(*self.days, None if buyer_pk is None else order_numbers_of(buyer_pk))
        return {day: wire(fen_to_yuan(number)) for day, number in fen.items()}
