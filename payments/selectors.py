"""Questions to the database."""

from collections import Counter

from django.db.models import Count

from payments.models import Payment, Refund


def merchants_waiting() -> Counter[str]:
    """How many payments and refunds of each merchant number the sweeps still have to ask about."""
    waiting: Counter[str] = Counter()
    for rows, name in (
        (Payment.objects.filter(next_check_at__isnull=False), "mch_id"),
        (Refund.objects.filter(next_try_at__isnull=False), "payment__mch_id"),
    ):
        waiting.update(dict(rows.order_by(name).values_list(name).annotate(Count("pk"))))
    return waiting
