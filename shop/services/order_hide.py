"""Taking an order out of its buyer's sight."""

from datetime import datetime

from django.db import transaction

from shop.services.order_move import order_lock, order_move
from shop.states import Event


@transaction.atomic
def order_hide(*, order_id: str, buyer_pk: int, actor: str, now: datetime) -> None:
    """Delete an order as its buyer sees it; the record stays.

    :raises RecordUnknown, OrderRefused: it is not over yet.
    """
    order = order_lock(order_id=order_id, buyer_pk=buyer_pk)
    order_move(order=order, event=Event.HIDE, actor=actor, now=now, hidden_at=now)
