"""Sums over refunds, for the first page of the back office."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Aggregate, Count, Q, Sum

from payments.models import Refund, RefundStatus


def refund_sums(spans: Sequence[tuple[datetime, datetime]]) -> list[tuple[int, int]]:
    """Return number and fen of the refunds that were asked for in each span, without those that came to nothing."""
    wanted: dict[str, Aggregate] = {}
    for at, (begins, ends) in enumerate(spans):
        within = Q(created_at__gte=begins, created_at__lt=ends)
        wanted[f"number{at}"] = Count("pk", filter=within)
        wanted[f"fen{at}"] = Sum("amount_fen", filter=within, default=0)
    refunds = Refund.objects.order_by().exclude(state=RefundStatus.CLOSED)
    found = refunds.filter(created_at__gte=min(begins for begins, _ in spans)).aggregate(**wanted)
    return [(found[f"number{at}"], found[f"fen{at}"]) for at in range(len(spans))]
