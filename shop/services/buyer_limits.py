"""How many unpaid orders one buyer may have: each holds pieces that nobody else can buy."""

from datetime import datetime, timedelta
from math import ceil

from django.conf import settings

from core.db.pool import prepared_rows
from shop.errors import OrdersPaused, TooManyOpenOrders
from shop.states import State

PAUSE = timedelta(minutes=10)
WITHIN = timedelta(hours=1)
_CLASS = 7207  # of this advisory lock, whose second number is the buyer
# The newest orders are enough: an unpaid one closes within minutes, and the index holds a buyer's orders by age.
_COUNT = """
SELECT count(*) FILTER (WHERE state = %(open)s),
  count(*) FILTER (WHERE state = %(closed)s AND expires_at > %(since)s AND expires_at <= %(now)s),
  max(expires_at) FILTER (WHERE state = %(closed)s AND expires_at <= %(now)s)
FROM (SELECT state, expires_at FROM shop_order WHERE user_id = %(buyer)s ORDER BY id DESC LIMIT 200) newest
"""


def buyer_require_room(*, buyer_pk: int, now: datetime) -> None:
    """Check that a buyer may place one more order. Call it first in the transaction that places it.

    :raises TooManyOpenOrders: ``ORDERS_OPEN_MAX`` of the buyer's orders are unpaid.
    :raises OrdersPaused: ``ORDERS_EXPIRED_MAX`` expired unpaid within an hour, the last one less than 10 minutes ago.
    """
    _lock(buyer_pk)
    values = {"buyer": buyer_pk, "now": now, "since": now - WITHIN, "open": State.OPEN, "closed": State.CLOSED}
    open_orders, expired, last_expiry = prepared_rows(_COUNT, values)[0]
    if open_orders >= settings.ORDERS_OPEN_MAX:
        raise TooManyOpenOrders(settings.ORDERS_OPEN_MAX)
    if expired >= settings.ORDERS_EXPIRED_MAX and now < last_expiry + PAUSE:
        raise OrdersPaused(expired, ceil((last_expiry + PAUSE - now) / timedelta(minutes=1)))


def _lock(buyer_pk: int) -> None:
    """Let a buyer's orders be placed one after the other, so that each counts those before it.

    Not the user's row: a late payment locks products before it, an order after it, and the two could wait for each
    other.
    """
    prepared_rows("SELECT pg_advisory_xact_lock(%(class)s, %(buyer)s::integer)", {"class": _CLASS, "buyer": buyer_pk})
