"""After a backup was restored: open orders keep their stock until the provider was asked whether they are paid."""

from collections.abc import Iterator

from django.db import transaction

from core.models import Restoration
from payments.services.after_restore import payment_assume_started
from shop.models import Order
from shop.order_states import Note, State
from shop.services.order_create import order_deadline
from shop.services.order_move import SYSTEM, order_note


def orders_after_restore(restoration: Restoration) -> Iterator[str]:
    """Treat every open order as if its payment had been started, since its buyer may have done so after the backup."""
    now, number = restoration.restored_at, 0
    deadline = order_deadline(now)
    for order_pk in Order.objects.filter(state=State.OPEN).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            order = Order.objects.select_for_update(no_key=True).get(pk=order_pk)
            asks = payment_assume_started(
                out_trade_no=order.order_id, amount_fen=order.total_fen, deadline=deadline, now=now
            )
            if asks and order.payment_started_at is None:
                order.payment_started_at = now
                order.save(update_fields=["payment_started_at"])
                order_note(
                    order=order, event=Note.RESTORED, actor=SYSTEM, now=now, detail="关闭之前先向微信询问是否已付款"
                )
        number += 1
    yield f"{number} 个未付款的订单留着库存，等微信说清楚付了没有。"
    yield "备份之后下的订单没有了；之后的发货和退货没有记录，请人工补上。"
