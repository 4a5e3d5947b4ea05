"""Rows that one sweep takes for itself. No lock is kept: behind a pooler it would stay on another's connection."""

from collections.abc import Collection
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def rows_claim(due: QuerySet[M], *, limit: int, **later: Any) -> list[M]:
    """Take up to ``limit`` rows of ``due`` by setting ``later``, which must move them out of ``due``.

    Any number of sweeps may claim at once, and each row goes to one of them. Nothing is locked afterwards, so that
    the provider can be asked. When a sweep is killed, its rows become due again at the time that ``later`` names.
    """
    with transaction.atomic(durable=True):
        rows = list(due.select_for_update(skip_locked=True, no_key=True)[:limit])
        due.model._default_manager.filter(pk__in=[row.pk for row in rows]).update(**later)
    _note(rows, later)
    return rows


def rows_keep(rows: Collection[M], **later: Any) -> None:
    """Claim ``rows`` for longer. Those that somebody has changed since they were claimed stay as they are."""
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
