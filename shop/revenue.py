"""The revenue, and other sums over the orders of a span of time, for the first page of the back office and 日报.

The revenue of an order is its total without what was refunded; an order counts while its state is one of ``EARNING``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Count, DateField, Exists, F, OuterRef, Q, Sum
from django.db.models.functions import Trunc, TruncDate

from core.times import SHANGHAI, day_begins
from payments.figures import Sums
from shop.models import NoParcel, Order, OrderLine, OrderLog
from shop.models.order import logged
from shop.order_states import EARNING, Event, State

Span = tuple[datetime, datetime]
_REVENUE = F("total") - F("refunded")
DAYS = 30


@dataclass(frozen=True)
class OrderSums(Sums):
    """The orders of a span: those placed in it with their amount and revenue, and how many ended unpaid in it.

    Of those sent in it by a courier (``sent``), what he charges (``fees``) is known of ``with_fee``.
    """

    placed: int = 0
    amount: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    cancelled: int = 0
    closed: int = 0
    sent: int = 0
    with_fee: int = 0
    fees: Decimal = Decimal(0)


def order_sums(spans: Sequence[Span]) -> list[OrderSums]:
    """Return number and revenue of the orders that were placed in each span, in one query."""
    sums: dict[str, Aggregate] = {}
    for at, (begins, ends) in enumerate(spans):
        within = Q(created_at__gte=begins, created_at__lt=ends)
        sums[f"placed{at}"] = Count("pk", filter=within)
        sums[f"revenue{at}"] = Sum(_REVENUE, filter=within & Q(state__in=EARNING), default=Decimal())
    orders = Order.objects.order_by().filter(created_at__gte=min(begins for begins, _ in spans))
    values = orders.aggregate(**sums)
    return [OrderSums(placed=values[f"placed{at}"], revenue=values[f"revenue{at}"]) for at in range(len(spans))]


def days_until(now: datetime) -> list[date]:
    """Return the last ``DAYS`` days, oldest first. ``now`` is in local time."""
    return [now.date() - timedelta(days=n) for n in reversed(range(DAYS))]


def order_days(now: datetime) -> dict[date, OrderSums]:
    """Return the orders that were placed on each of the last ``DAYS`` days. ``now`` is in local time."""
    days = days_until(now)
    return dict.fromkeys(days, OrderSums()) | _placed_by_day(days[0], days[-1])


def _placed_by_day(first: date, last: date) -> dict[date, OrderSums]:
    """Return number, amount and revenue of the orders that were placed on each day that has some, in one query."""
    begins, ends = day_begins(first), day_begins(last + timedelta(days=1))
    orders: Any = Order.objects.order_by().filter(created_at__gte=begins, created_at__lt=ends)
    sums = orders.annotate(day=TruncDate("created_at", tzinfo=SHANGHAI)).values("day")
    income = Sum(_REVENUE, filter=Q(state__in=EARNING), default=Decimal())
    rows = sums.annotate(placed=Count("pk"), amount=Sum("total"), revenue=income)
    return {row.pop("day"): OrderSums(**row) for row in rows}


def order_days_between(first: date, last: date) -> dict[date, OrderSums]:
    """Return the figures of each day that has some; both days are included. Three queries."""
    begins, ends = day_begins(first), day_begins(last + timedelta(days=1))
    days = _placed_by_day(first, last)
    endings: Any = OrderLog.objects.order_by().filter(at__gte=begins, at__lt=ends, from_state=State.OPEN)
    endings = endings.filter(to_state__in=[State.CANCELLED, State.CLOSED, State.INVALID])
    endings = endings.annotate(day=TruncDate("at", tzinfo=SHANGHAI)).values("day")
    is_cancel = Q(to_state=State.CANCELLED)
    for row in endings.annotate(cancelled=Count("pk", filter=is_cancel), closed=Count("pk", filter=~is_cancel)):
        day = row.pop("day")
        days[day] = replace(days.get(day, OrderSums()), **row)
    for row in _sent(first, last).annotate(day=TruncDate("at", tzinfo=SHANGHAI)).values("day").annotate(**_FEES):
        day = row.pop("day")
        days[day] = replace(days.get(day, OrderSums()), **row)
    return days


# --- What the couriers charge, by the day of shipping ---
_SHIPPING = logged(Event.SHIP, Event.UNSHIP)
_FEES = {
    "sent": Count("pk"),
    "with_fee": Count("order__courier_fee"),
    "fees": Sum("order__courier_fee", default=Decimal()),
}


def _sent(first: date, last: date) -> Any:
    """Return the shipments of these days that were not taken back, without what no courier took."""
    later = OrderLog.objects.filter(_SHIPPING, order=OuterRef("order"), pk__gt=OuterRef("pk"))
    shipments = OrderLog.objects.order_by().filter(logged(Event.SHIP), ~Exists(later), **_between("at", first, last))
    return shipments.exclude(order__no_parcel=NoParcel.BY_HAND)


def courier_fees(first: date, last: date) -> list[tuple[str, int, int, Decimal]]:
    """Return of each courier the orders sent, how many of them have a fee, and the fees; the most orders first."""
    rows = _sent(first, last).values_list("order__express_company").annotate(**_FEES)
    return [(name or "没有写快递公司", *numbers) for name, *numbers in rows.order_by("-sent", "order__express_company")]


# --- By the day of payment, for charts ---
def paid(unit: str, first: date, last: date, buyer_pk: int | None = None) -> dict[date, tuple[int, Decimal]]:
    """Return number and total of the orders that were paid from ``first`` to ``last``, whatever became of them.

    :param unit: by ``day``, by ``week`` (its Monday) or by ``month`` (its first).
    :param buyer_pk: only this buyer's orders.
    """
    orders: Any = Order.objects.order_by().filter(**_between("paid_at", first, last))
    if buyer_pk is not None:
        orders = orders.filter(user=buyer_pk)
    at = Trunc("paid_at", unit, output_field=DateField(), tzinfo=SHANGHAI)
    rows = orders.values_list(at).annotate(number=Count("pk"), amount=Sum("total"))
    return {day: (number, amount) for day, number, amount in rows}


def products_sold(
    by: str, first: date | None, last: date | None, buyer_pk: int | None = None
) -> list[tuple[str, int, Decimal]]:
    """Return name, pieces and amount of what was paid and not refunded, most pieces first. By the day of payment.

    :param by: ``product`` or ``category``.
    """
    name = "title" if by == "product" else "product__category__name"
    lines: Any = OrderLine.objects.order_by().filter(order__state__in=EARNING)
    lines = lines.filter(**_between("order__paid_at", first, last))
    if buyer_pk is not None:
        lines = lines.filter(order__user=buyer_pk)
    kept = F("quantity") - F("refunded_quantity")
    sums = lines.values_list(name).annotate(pieces=Sum(kept), amount=Sum(F("price") * kept)).filter(pieces__gt=0)
    return list(sums.order_by("-pieces", name))


def _between(field: str, first: date | None, last: date | None) -> dict[str, Any]:
    span = {f"{field}__gte": day_begins(first)} if first else {f"{field}__isnull": False}
    return span | ({f"{field}__lt": day_begins(last + timedelta(days=1))} if last else {})
