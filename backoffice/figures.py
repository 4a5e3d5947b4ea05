"""What the dashboard and the metrics ask of the apps. Each question costs the same after a million finished rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import Count
from django.db.models.functions import Now

from core.cache import valkey
from payments.models import InboundEvent, Refund
from shop.models import Order, Product
from shop.states import TO_DO, State

SCARCE = 10  # pieces of a product; fewer or as many are worth a look
MOST_SCARCE = 200
DAYS = 30
# Money that is ours, unless somebody asks for it back.
EARNING = (State.PAID, State.PREPARING, State.SHIPPED, State.RECEIVED, State.RETURN_ASKED, State.RETURN_ASKED_LATER)
_DAYS = """
SELECT (created_at AT TIME ZONE 'Asia/Shanghai')::date, count(*),
    coalesce(sum(total) FILTER (WHERE state = ANY(%s)), 0)
FROM shop_order WHERE created_at >= %s GROUP BY 1
"""
_SOCKETS = "spms:sio:s:*"


@dataclass(frozen=True)
class Day:
    day: date
    orders: int
    revenue: Decimal


def order_days(now: datetime) -> list[Day]:
    """Orders of each of the last ``DAYS`` days, and what they brought. ``now`` is local."""
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [[state.value for state in EARNING], first])
        found = {day: Day(day, orders, revenue) for day, orders, revenue in cursor.fetchall()}
    days = [(first + timedelta(days=n)).date() for n in range(DAYS)]
    return [found.get(day, Day(day, 0, Decimal(0))) for day in days]


def orders_to_do() -> dict[str, int]:
    """How many orders are in each state that waits for somebody, the unpaid ones with them."""
    waiting = Order.objects.order_by().filter(state__in=[state.value for state in TO_DO])
    counts: dict[str, int] = dict.fromkeys([State.OPEN.value, *(state.value for state in TO_DO)], 0)
    counts |= dict(waiting.values_list("state").annotate(Count("pk")))
    counts[State.OPEN.value] = Order.objects.filter(state=State.OPEN, sweep_at__isnull=False).count()
    return counts


def refunds_waiting() -> int:
    return Refund.objects.filter(next_try_at__isnull=False).count()


def scarce_products() -> list[Product]:
    """The products on sale with the fewest pieces, up to ``MOST_SCARCE`` of them."""
    # No index: it would make every sale write to it.
    scarce = Product.objects.filter(removed_at=None, stock__lte=SCARCE)
    return list(scarce.only("pk", "name", "stock").order_by("stock", "pk")[:MOST_SCARCE])


def verdicts(since: datetime) -> dict[str, int]:
    """Notifications by what became of them."""
    events = InboundEvent.objects.order_by().filter(received_at__gte=since, received_at__lte=Now())
    return dict(events.values_list("verdict").annotate(Count("pk")))


def sockets_open() -> int:
    """Clients of the scan-login socket, at all machines."""
    return _length(valkey.client().scan_iter(match=_SOCKETS, count=5000))


def _length(things: Iterable[bytes]) -> int:
    return sum(1 for _ in things)
