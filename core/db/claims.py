"""Claims: how a sweep takes due rows so that no other sweep works on them at the same time.

A claim is a time in the row, not a lock: work on a row asks a provider and outlasts the transaction, and a session
lock fails behind a pooler, where the next statement may run on another connection.
"""

from collections.abc import Collection
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def rows_claim(due: QuerySet[M], *, limit: int, **later: Any) -> list[M]:
    """Take up to ``limit`` rows of ``due`` by setting ``later``, which must move them out of ``due``.

    Any number of sweeps may claim at the same time; each row goes to one of them. After the claim no row is locked, so
    the sweep can ask the provider. If a sweep is killed, its rows become due again at the time in ``later``.
    """
    with transaction.atomic(durable=True):
        rows = list(due.select_for_update(skip_locked=True, no_key=True)[:limit])
        due.model._default_manager.filter(pk__in=[row.pk for row in rows]).update(**later)
    _note(rows, later)
    return rows


def rows_keep(rows: Collection[M], **later: Any) -> None:
    """Extend the claim on ``rows`` to ``later``. A row that somebody has changed since the claim is left alone."""
    if not rows:
        return
    unchanged = {f"{name}__in": {getattr(row, name) for row in rows} for name in later}
    manager = type(next(iter(rows)))._default_manager
    manager.filter(pk__in=[row.pk for row in rows], **unchanged).update(**later)
    _note(rows, later)


def _note(rows: Collection[M], values: dict[str, Any]) -> None:
    for row in rows:
        for name, value in values.items():
            setattr(row, name, value)
