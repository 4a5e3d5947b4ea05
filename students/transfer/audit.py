"""Entries of the audit log for what is written in masses, which sends no signals."""

from collections.abc import Sequence
from typing import Any

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from core.observe import tracing
from students.models import Student

_CREATED = ("sid", "name", "age", "class_name", "city", "degree", "product_url", "description")


def log_created(students: Sequence[Student], *, actor_pk: int | None) -> None:
    changes = [{name: [None, getattr(student, name)] for name in _CREATED} for student in students]
    _log(LogEntry.Action.CREATE, students, changes, actor_pk)


def log_updated(students: Sequence[Student], diffs: Sequence[dict[str, Any]], *, actor_pk: int | None) -> None:
    _log(LogEntry.Action.UPDATE, students, diffs, actor_pk)


def log_deleted(students: Sequence[Student], *, actor_pk: int | None) -> None:
    changes = [{name: [getattr(student, name), None] for name in _CREATED} for student in students]
    _log(LogEntry.Action.DELETE, students, changes, actor_pk)


def _log(action: int, students: Sequence[Student], changes: Sequence[dict[str, Any]], actor_pk: int | None) -> None:
    if not auditlog.contains(Student):
        return
    kind, now = ContentType.objects.get_for_model(Student), timezone.now()
    LogEntry.objects.bulk_create(
        LogEntry(
            content_type=kind,
            object_pk=str(student.pk),
            object_id=student.pk,
            object_repr=str(student),
            action=action,
            changes={name: [before, after] for name, (before, after) in diff.items()},
            actor_id=actor_pk,
            cid=tracing.current() or None,
            timestamp=now,
        )
        for student, diff in zip(students, changes, strict=True)
    )
