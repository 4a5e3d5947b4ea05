"""Refunds, and orders that somebody else has locked."""

import threading
from contextlib import contextmanager

from django.db import connection, transaction
from django.utils import timezone

from payments.services.refund import refund_request


def request(payment, fen=1234, *, reason="不想要了", by="王", now=None):
    """Request the refund of a payment, or of a part of it."""
    return refund_request(
        out_trade_no=payment.out_trade_no, amount_fen=fen, reason=reason, requested_by=by, now=now or timezone.now()
    )


@contextmanager
def locked(shop, number):
    """Hold the lock of an order on another connection while the block runs."""
    is_held, is_over = threading.Event(), threading.Event()

    def hold():
        try:
            with transaction.atomic():
                shop.lock(out_trade_no=number)
                is_held.set()
                is_over.wait(10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(5)
    try:
        yield
    finally:
        is_over.set()
        holder.join()
