"""Sums over the orders of a span of time, for the first page of the back office."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Aggregate, Count, Q, Sum

from shop.models import Order, OrderLine
from shop.states import EARNING

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Sums:
    orders: int
    revenue: Decimal


def order_sums(spans: Sequence[Span]) -> list[Sums]:
    """Return number and revenue of the orders that were placed in each span, in one query."""
    wanted: dict[str, Aggregate] = {}
    for at, (begins, ends) in enumerate(spans):
        within = Q(created_at__gte=begins, created_at__lt=ends)
        wanted[f"orders{at}"] = Count("pk", filter=within)
        wanted[f"revenue{at}"] = Sum("total", filter=within & Q(state__in=EARNING), default=Decimal())
    orders = Order.objects.order_by().filter(created_at__gte=min(begins for begins, _ in spans))
    found = orders.aggregate(**wanted)
    return [Sums(found[f"orders{at}"], found[f"revenue{at}"]) for at in range(len(spans))]


def products_best(span: Span, *, most: int) -> list[tuple[int, str, int]]:
    """Return key, name and sold pieces of the products that sold most in the span."""
    lines = OrderLine.objects.filter(
        order__created_at__gte=span[0], order__created_at__lt=span[1], order__state__in=EARNING
    )
    sums = lines.order_by().values("product_id", "product__name").annotate(pieces=Sum("quantity"))
    best = sums.order_by("-pieces", "product_id").values_list("product_id", "product__name", "pieces")
    return list(best[:most])
