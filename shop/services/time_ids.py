"""Ids made from the time (17 digits, to the millisecond) that are unique even within one millisecond."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import IntegrityError, models, transaction

from core.ids import time17

ATTEMPTS = 1000
Record = TypeVar("Record", bound=models.Model)


def violated_constraint(error: IntegrityError) -> str:
    """Return the name of the database constraint that refused a row."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""


def create_with_time_id(make: Callable[[str], Record], field: str, now: datetime) -> Record:
    """Save and return ``make(id)`` with the first free id from ``now`` on: a used millisecond is skipped.

    :raises IntegrityError: any other constraint refuses the row.
    """
    for passed_ms in range(ATTEMPTS):
        record = make(time17(now + timedelta(milliseconds=passed_ms)))
        try:
            with transaction.atomic():
                record.save(force_insert=True)
                return record
        except IntegrityError as error:
            if field not in violated_constraint(error):
                raise
    raise RuntimeError(f"no free {field} within {ATTEMPTS} ms")
