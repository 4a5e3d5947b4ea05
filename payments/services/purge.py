"""Deleting payments that never held money, when the app with the orders deletes their orders."""

from collections.abc import Collection
from datetime import datetime

from payments.models import Difference, InboundEvent, ListenerFailure, Payment, PaymentLog, PaymentStatus


def payments_purge(*, out_trade_nos: Collection[str], ended_before: datetime) -> set[str]:
    """Delete the payments of these orders that never held money; return the numbers whose orders must stay.

    Call it in a transaction, with the orders' rows locked: no notification makes a payment of theirs paid meanwhile.

    :param ended_before: a payment that the provider took money for until later stays.
    """
    mine = {"out_trade_no__in": out_trade_nos}
    seen = Difference.objects.filter(**mine).order_by().values_list("out_trade_no")
    seen = seen.union(
        ListenerFailure.objects.filter(**mine).order_by().values_list("out_trade_no"),
        InboundEvent.objects.filter(**mine, is_genuine=True).order_by().values_list("out_trade_no"),
    )
    kept = {number for (number,) in seen}
    # While `next_check_at` is set, the provider is still asked; an error says that something disagreed with it.
    untouched = {"paid_at": None, "transaction_id": "", "next_check_at": None, "last_error": "", "refunds": None}
    payments = Payment.objects.filter(**mine, **untouched, state=PaymentStatus.CLOSED, time_expire__lt=ended_before)
    keys = list(payments.exclude(out_trade_no__in=kept).values_list("pk", flat=True))
    PaymentLog.objects.filter(payment__in=keys).delete()
    Payment.objects.filter(pk__in=keys).delete()
    return kept | set(Payment.objects.filter(**mine).values_list("out_trade_no", flat=True))
