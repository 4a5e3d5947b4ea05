"""Questions to the database."""

from collections import Counter
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from payments.models import BillRun, Difference, InboundEvent, Payment, Refund


def merchants_waiting() -> Counter[str]:
    """Return how many payments and refunds of each merchant number the sweeps still have to ask about."""
    waiting: Counter[str] = Counter()
    for rows, name in (
        (Payment.objects.filter(next_check_at__isnull=False), "mch_id"),
        (Refund.objects.filter(next_try_at__isnull=False), "payment__mch_id"),
    ):
        waiting.update(dict(rows.order_by(name).values_list(name).annotate(Count("pk"))))
    return waiting


def differences_open() -> int:
    """Return how many differences with the provider's bills wait for staff."""
    return Difference.objects.filter(ending=Difference.Ending.OPEN).count()


def bills_failed(*, older_than: datetime) -> QuerySet[BillRun]:
    """Return up to 5 comparisons of the last month that have not succeeded within a day, oldest first."""
    failed = BillRun.objects.exclude(state=BillRun.State.DONE)
    span = (older_than - timedelta(days=30), older_than - timedelta(days=1))
    return failed.filter(day__gte=span[0].date(), day__lte=span[1].date()).order_by("day", "mch_id")[:5]


def refunds_waiting() -> int:
    """Return how many refunds are under way."""
    return Refund.objects.filter(next_try_at__isnull=False).count()


def notices_by_verdict(*, since: datetime) -> dict[str, int]:
    """Return how many notifications came since then, by verdict."""
    events = InboundEvent.objects.order_by().filter(received_at__gte=since, received_at__lte=Now())
    return dict(events.values_list("verdict").annotate(Count("pk")))
