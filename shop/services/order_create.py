"""Placing an order."""

from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil

from django.conf import settings
from django.db import transaction
from django.utils.crypto import get_random_string

from core.db.reading import prepared_rows
from core.ids import time17
from core.observe import tracing
from permissions.scope import EVERYTHING, Scope
from shop.errors import NothingSelected, OrdersPaused, OrdersTooFast, OrderTooLarge, ProductGone, TooManyOpenOrders
from shop.models import CartItem, Order, OrderLine
from shop.models.order import MAX_TOTAL
from shop.order_states import Note, State
from shop.services.order_move import order_note
from shop.services.stock import stock_take
from shop.services.vip_purchase import vip_check

# 17 digits of time and these make 30: unguessable, and valid as WeChat's out_trade_no (6 to 32).
SUFFIX_LENGTH = 13
# Every product stays locked until the order is written.
MAX_LINES = 200
_SUFFIX_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
# How long a buyer waits who lets orders expire, and within which time they count.
PAUSE = timedelta(minutes=10)
WITHIN = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FREE = 4  # this part of the orders that may expire may be cancelled beside them
_CLASS = 7207  # of the advisory lock, whose second number is the buyer
# The newest orders are enough: an unpaid one closes within minutes, and the index holds a buyer's orders by age.
_COUNT = """
SELECT count(*) FILTER (WHERE state = %(open)s),
  count(*) FILTER (WHERE state = %(closed)s AND held_until > %(since)s AND held_until <= %(now)s),
  count(*) FILTER (WHERE state = %(cancelled)s AND held_until > %(since)s),
  max(held_until) FILTER (WHERE state IN (%(closed)s, %(cancelled)s) AND held_until <= %(now)s),
  count(*) FILTER (WHERE created_at > %(minute_ago)s)
FROM (
  SELECT state, created_at, CASE state WHEN %(cancelled)s THEN created_at ELSE expires_at END AS held_until
  FROM shop_order WHERE user_id = %(buyer)s ORDER BY id DESC LIMIT 200
) newest
"""


def order_deadline(now: datetime) -> datetime:
    """Return when an order expires that is placed at ``now``, or whose payment starts then: ``ORDER_TTL`` later."""
    return now + settings.ORDER_TTL


def order_id_new(now: datetime) -> str:
    return time17(now) + get_random_string(SUFFIX_LENGTH, _SUFFIX_ALPHABET)


@transaction.atomic
def order_create(
    *,
    buyer_pk: int,
    username: str,
    now: datetime,
    product_id: str = "",
    quantity: int = 1,
    phone: str = "",
    address: str = "",
    recipient: str = "",
    scope: Scope = EVERYTHING,
) -> Order:
    """Create an order for ``quantity`` of a product, or without ``product_id`` for the checked rows of the cart.

    The checked rows leave the cart, and the stock is taken at once, at the prices of this moment. All or nothing:
    whatever is raised, the stock and the cart are unchanged.

    :raises NothingSelected, ProductGone, StockShortage, OrderTooLarge: as named.
    :raises VipLevelTooLow, VipTooLong: see ``vip_check``.
    :raises TooManyOpenOrders, OrdersTooFast, OrdersPaused: the buyer has too many unpaid ones, or had them lately.
    """
    _lock_buyer(buyer_pk)
    _require_room(buyer_pk, now)
    quantities = _one_product(product_id, quantity) if product_id else _checked_out(buyer_pk)
    lines = stock_take(quantities, scope=scope)
    vip_check(buyer_pk=buyer_pk, lines=lines, now=now)
    order = Order.objects.create(
        order_id=order_id_new(now),
        user_id=buyer_pk,
        username=username,
        total=_total(lines),
        phone=phone,
        address=address,
        recipient=recipient,
        created_at=now,
        expires_at=order_deadline(now),
        sweep_at=order_deadline(now),
    )
    for line in lines:
        line.order = order
    OrderLine.objects.bulk_create(lines)
    order_note(order=order, event=Note.PLACED, actor=username, now=now, from_state="")
    tracing.about(order=order.order_id)
    return order


def _lock_buyer(buyer_pk: int) -> None:
    """Let a buyer's orders be placed one after the other, so that each counts those before it.

    Not the user's row: a late payment locks products before it, an order after it, and the two could wait for each
    other.
    """
    prepared_rows("SELECT pg_advisory_xact_lock(%(class)s, %(buyer)s::integer)", {"class": _CLASS, "buyer": buyer_pk})


def _require_room(buyer_pk: int, now: datetime) -> None:
    """Check how many unpaid orders the buyer has: each holds pieces that other buyers cannot buy.

    People cancel orders by mistake, so a few cancelled ones do not count. The others do: a buyer who places and cancels
    in turn holds the stock like one who lets orders expire. More than a quarter would never stop a buyer who cancels
    just before the deadline, 30 times an hour.
    """
    values = {"buyer": buyer_pk, "now": now, "since": now - WITHIN, "minute_ago": now - MINUTE}
    states = {"open": State.OPEN, "closed": State.CLOSED, "cancelled": State.CANCELLED}
    open_orders, expired, cancelled, last_end, newest = prepared_rows(_COUNT, values | states)[0]
    if open_orders >= settings.ORDERS_OPEN_MAX:
        raise TooManyOpenOrders(settings.ORDERS_OPEN_MAX)
    unpaid = expired + max(0, cancelled - settings.ORDERS_EXPIRED_MAX // FREE)
    if unpaid >= settings.ORDERS_EXPIRED_MAX and now < last_end + PAUSE:
        raise OrdersPaused(expired + cancelled, ceil((last_end + PAUSE - now) / MINUTE))
    if newest >= settings.ORDERS_MINUTE_MAX:
        raise OrdersTooFast(settings.ORDERS_MINUTE_MAX)


def _one_product(product_id: str, quantity: int) -> dict[int, int]:
    rows = prepared_rows("SELECT id FROM shop_product WHERE product_id = %(product_id)s", {"product_id": product_id})
    if not rows:
        raise ProductGone
    return {rows[0][0]: quantity}


def _checked_out(buyer_pk: int) -> dict[int, int]:
    """Take the checked rows out of the cart. If two submits come at once, the second waits and finds no rows."""
    rows = CartItem.objects.select_for_update().filter(user_id=buyer_pk, is_checked=True).order_by("product_id")
    items = list(rows)
    if not items:
        raise NothingSelected
    if len(items) > MAX_LINES:
        raise OrderTooLarge(f"一次最多结算{MAX_LINES}种商品")
    CartItem.objects.filter(pk__in=[item.pk for item in items]).delete()
    return {item.product_id: item.quantity for item in items}


def _total(lines: list[OrderLine]) -> Decimal:
    total = sum((line.amount for line in lines), Decimal())
    if total > MAX_TOTAL:
        raise OrderTooLarge
    return total
