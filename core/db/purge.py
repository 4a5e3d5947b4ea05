"""Delete rows whose keeping time is over."""

from typing import Any

from django.db.models import QuerySet

BATCH = 5000


def rows_purge(old: QuerySet[Any], *, batch: int = BATCH) -> int:
    """Delete the rows of ``old``, and by cascade what refers to them. Return how many rows of ``old`` were deleted.

    Each batch is a transaction of its own, so that no request waits long and an interruption loses one batch.
    """
    number = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:batch]):
        # Filter by `old` again: a row that has been needed since it was read must stay.
        _, by_model = old.filter(pk__in=keys).delete()
        number += by_model.get(old.model._meta.label, 0)
        if len(keys) < batch:
            break
    return number
