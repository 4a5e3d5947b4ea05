"""Deleting what has had its time."""

from typing import Any

from django.db.models import QuerySet

BATCH = 5000


def rows_purge(old: QuerySet[Any], *, batch: int = BATCH) -> int:
    """Delete the rows of ``old`` and what hangs on them; answer how many of its own.

    Each batch is a transaction of its own: nobody waits long for a lock, and what was done stays done.
    """
    gone = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:batch]):
        # Asked again: a row that meanwhile is needed stays.
        _, by_model = old.filter(pk__in=keys).delete()
        gone += by_model.get(old.model._meta.label, 0)
        if len(keys) < batch:
            break
    return gone
