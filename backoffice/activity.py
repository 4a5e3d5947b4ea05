"""How much each member of staff did, from the list of changes."""

from dataclasses import dataclass
from datetime import datetime

from auditlog.models import LogEntry
from django.db.models import Count, Q

from shop.actions import OrderAction


@dataclass(frozen=True)
class Activity:
    user_pk: int
    username: str
    entries: int
    parcels: int
    refunds: int


def staff_activity(begins: datetime, ends: datetime, *, most: int) -> list[Activity]:
    """Return who did most in the span, the most active first."""
    entries = LogEntry.objects.order_by().filter(timestamp__gte=begins, timestamp__lt=ends, actor__is_staff=True)
    counts = entries.values("actor_id", "actor__username").annotate(
        n=Count("pk"),
        parcels=Count("pk", filter=Q(action=OrderAction.SHIP)),
        refunds=Count("pk", filter=Q(action=OrderAction.REFUND)),
    )
    rows = counts.order_by("-n", "actor_id").values_list("actor_id", "actor__username", "n", "parcels", "refunds")
    return [Activity(*row) for row in rows[:most]]
