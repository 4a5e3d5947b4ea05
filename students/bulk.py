"""Changes to many students in a few statements, each with the audit entries that no signal writes here.

The rows that are changed or deleted must be locked by the caller: another person's change would be lost otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from core.observe import tracing
from students.columns import EDITABLE, label_of, model_field
from students.models import Student, StudentFields

MOST_MOVED = 2_000
_AUDITED = ("sid", *EDITABLE)
_CONCRETE = [field.attname for field in Student._meta.concrete_fields if not field.primary_key]
# All that a student is, in the order in which people see it.
STORED = tuple(dict.fromkeys([*_AUDITED, *_CONCRETE]))


@dataclass(frozen=True)
class FieldChange:
    """What changes in one field of a student. A new student has no ``before``, a deleted one no ``after``: ``None``."""

    field: str
    before: Any
    after: Any

    @property
    def label(self) -> str:
        return label_of(self.field)

    def reversed(self) -> "FieldChange":
        return FieldChange(self.field, self.after, self.before)


def changes_between(student: Student | None, values: dict[str, Any]) -> list[FieldChange]:
    """Compare what a student has with new values of some fields; without a student everything is new."""
    pairs = [(name, getattr(student, name) if student else None) for name in EDITABLE if name in values]
    return [FieldChange(name, before, values[name]) for name, before in pairs if before != values[name]]


def changes_dump(changes: Sequence[FieldChange]) -> dict[str, list[Any]]:
    """Write changes as JSON can hold them; :func:`changes_load` reads them."""
    return {change.field: [_as_json(change.before), _as_json(change.after)] for change in changes}


def changes_load(stored: dict[str, list[Any]]) -> list[FieldChange]:
    """Read what :func:`changes_dump` wrote, in the order of :data:`STORED`."""
    return [FieldChange(name, *map(model_field(name).to_python, stored[name])) for name in STORED if name in stored]


def _as_json(value: Any) -> Any:
    # Django's encoder for JSON would cut a time to milliseconds.
    return value.isoformat() if isinstance(value, date) else value


def students_create(students: Sequence[Student], *, actor_pk: int | None, now: datetime) -> None:
    """Insert students, each with the number it has."""
    Student.objects.bulk_create(students)
    changes = [[FieldChange(name, None, getattr(student, name)) for name in _AUDITED] for student in students]
    _log(LogEntry.Action.CREATE, students, changes, actor_pk, now)


def students_change(
    students: Sequence[Student], changes: Sequence[Sequence[FieldChange]], *, actor_pk: int | None, now: datetime
) -> None:
    """Give each student the values ``after`` of its changes, and save it.

    Saves every column that people fill in, but not number, picture and date.
    """
    for student, of_one in zip(students, changes, strict=True):
        for change in of_one:
            setattr(student, change.field, change.after)
    if students:
        fields = [model_field(name) for name in ("id", *EDITABLE)]
        values = [
            [field.get_db_prep_save(getattr(student, field.attname), connection) for student in students]
            for field in fields
        ]
        with connection.cursor() as cursor:
            cursor.execute(_update_statement(), values)
    _log(LogEntry.Action.UPDATE, students, changes, actor_pk, now)


@cache
def _update_statement() -> str:
    """Take an array of each column. ``bulk_update`` would send a CASE of thousands of branches for each of them."""
    fields = [model_field(name) for name in EDITABLE]
    # A cast to varchar(64) would cut longer texts without a word; to varchar, the column refuses them.
    types = [(field.db_type(connection) or "").partition("(")[0] for field in fields]
    names = [field.column for field in fields]
    return f"""
    UPDATE students_student AS s SET {", ".join(f"{name} = v.{name}" for name in names)}
    FROM unnest(%s::bigint[], {", ".join(f"%s::{kind}[]" for kind in types)}) AS v (id, {", ".join(names)})
    WHERE s.id = v.id
    """  # noqa: S608  (names of our own columns)


def students_delete(students: Sequence[Student], *, actor_pk: int | None, now: datetime) -> None:
    """Delete the students in one statement. Django would read them again, and delete them one by one."""
    if students:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM students_student WHERE id = ANY(%s)", [[student.pk for student in students]])
    changes = [[FieldChange(name, getattr(student, name), None) for name in _AUDITED] for student in students]
    _log(LogEntry.Action.DELETE, students, changes, actor_pk, now)


def students_move(*, pks: Sequence[int], class_name: str, actor_pk: int | None, now: datetime) -> int:
    """Put the students into the class, all or none; return how many were not in it before."""
    with transaction.atomic():
        others = Student.objects.select_for_update(no_key=True).filter(pk__in=pks).exclude(class_name=class_name)
        students = list(others.order_by("pk"))
        changes = [[FieldChange("class_name", student.class_name, class_name)] for student in students]
        students_change(students, changes, actor_pk=actor_pk, now=now)
    return len(students)


def _log(
    action: int,
    students: Sequence[Student],
    changes: Sequence[Sequence[FieldChange]],
    actor_pk: int | None,
    now: datetime,
) -> None:
    students_note(action, students, [changes_dump(of_one) for of_one in changes], actor_pk, now)


def students_note(
    action: int,
    students: Sequence[StudentFields],
    changes: Sequence[dict[str, list[Any]]],
    actor_pk: int | None,
    now: datetime,
) -> None:
    """Write an audit entry for each student."""
    if not auditlog.contains(Student):
        return
    content_type = ContentType.objects.get_for_model(Student)
    LogEntry.objects.bulk_create(
        LogEntry(
            content_type=content_type,
            object_pk=str(student.pk),
            object_id=student.pk,
            object_repr=str(student),
            action=action,
            changes=words,
            actor_id=actor_pk,
            cid=tracing.current() or None,
            timestamp=now,
        )
        for student, words in zip(students, changes, strict=True)
    )
