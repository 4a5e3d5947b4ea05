"""Changes to many students in a few statements, each with the audit entries that no signal writes here.

The rows that are changed or deleted must be locked by the caller: another person's change would be lost otherwise.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from auditlog.models import LogEntry
from django.db import connection

from core import times
from core.audit import PART, entry_of, mask, part_mark
from permissions.scope import EVERYTHING, Scope
from students.accounts import accounts_follow
from students.columns import EDITABLE, FOR_STAFF, label_of, model_field, value_shown
from students.events import moves_of
from students.listener import tell_gone
from students.models import Student, StudentEvent, StudentFields

_AUDITED = ("sid", *EDITABLE)
_FOR_STAFF = {column.field for column in FOR_STAFF}
_CONCRETE = [field.attname for field in Student._meta.concrete_fields if not field.primary_key]
# All that a student is, in the order in which people see it.
STORED = tuple(dict.fromkeys([*_AUDITED, *_CONCRETE]))


# What changes in a student: a field's values before and after. A new student has no value before, a deleted one none
# after: None.
Diff = dict[str, tuple[Any, Any]]


def diff_between(student: Student | None, values: dict[str, Any]) -> Diff:
    """Compare what a student has with new values of some fields; without a student everything is new."""
    pairs = {name: (getattr(student, name) if student else None, values[name]) for name in EDITABLE if name in values}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def diff_dump(diff: Diff) -> dict[str, list[Any]]:
    """Write a diff as JSON can hold it; :func:`diff_load` reads it."""
    return {name: [*map(as_json, pair)] for name, pair in diff.items()}


def diff_load(diff: dict[str, list[Any]]) -> Diff:
    """Read what :func:`diff_dump` wrote, in the order of :data:`STORED`."""
    values = {name: [model_field(name).to_python(value) for value in diff[name]] for name in STORED if name in diff}
    return {name: (before, after) for name, (before, after) in values.items()}


def diff_shown(diff: dict[str, list[Any]]) -> dict[str, tuple[str, str | None, str]]:
    """Return by field its label and its values before and after, as the user of the present request may read them."""
    return {
        name: (label_of(name), None if before is None else value_shown(name, before), value_shown(name, after))
        for name, (before, after) in diff_load(diff).items()
    }


def as_json(value: Any) -> Any:
    """Write a value of a field as JSON can hold it."""
    # Django's encoder for JSON would cut a time to milliseconds.
    return value.isoformat() if isinstance(value, date) else value


def students_lock(pks: Iterable[int | None], scope: Scope = EVERYTHING) -> dict[int | None, Student]:
    """Lock those of the students who are still there and in sight, in the order of their keys; return them by key.

    Two that lock the same students in one order wait for each other, but never in a circle.

    :raises NotPermitted: ``scope`` shows one of them, but does not allow changes.
    """
    rows = Student.objects.select_for_update().filter(scope.visible(of=Student), pk__in=[pk for pk in pks if pk])
    students: dict[int | None, Student] = {student.pk: student for student in rows.order_by("pk")}
    for student in students.values():
        scope.require_change(student)
    return students


def students_create(students: Sequence[Student], *, actor_pk: int | None, now: datetime) -> None:
    """Insert students, each with the number it has."""
    Student.objects.bulk_create(students)
    diffs = [{name: (None, getattr(student, name)) for name in _told(student)} for student in students]
    students_note(LogEntry.Action.CREATE, students, diffs, actor_pk, now)


def students_change(
    students: Sequence[Student], diffs: Sequence[Diff], *, actor_pk: int | None, now: datetime
) -> list[StudentEvent]:
    """Give each student the values after its diff, and save these columns of all of them; accounts go along.

    Return the events of those who moved to another class, not saved yet.
    """
    moves = []
    for student, diff in zip(students, diffs, strict=True):
        for name, (before, after) in diff.items():
            setattr(student, name, after)
            moves += [(student, str(before))] if name == "class_name" else []
    if fields := {name for diff in diffs for name in diff}:
        # All rows exist, so this updates them in one statement; ``bulk_update`` sends a CASE of thousands of branches.
        Student.objects.bulk_create(students, update_conflicts=True, update_fields=fields, unique_fields=["id"])
    accounts_follow(moves)
    students_note(LogEntry.Action.UPDATE, students, diffs, actor_pk, now)
    return moves_of(moves, times.local(now).date())


def students_delete(students: Sequence[Student], *, actor_pk: int | None, now: datetime) -> None:
    """Delete the students in one statement. Django would read them again, and delete them one by one."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM students_student WHERE id = ANY(%s)", [[student.pk for student in students]])
    tell_gone([student.pk for student in students], now)
    diffs = [{name: (getattr(student, name), None) for name in _told(student)} for student in students]
    students_note(LogEntry.Action.DELETE, students, diffs, actor_pk, now)


def _told(student: Student) -> list[str]:
    """Name the fields of an entry about a whole student: without what staff has not filled in."""
    return [name for name in _AUDITED if name not in _FOR_STAFF or getattr(student, name)]


def students_note(
    action: int, students: Sequence[StudentFields], diffs: Sequence[Diff], actor_pk: int | None, now: datetime
) -> None:
    """Write an audit entry for each student. The first one stands for the others, or the action's entry before it."""
    entries = [
        entry_of(Student, student.pk, str(student), action, _masked(diff_dump(diff)), actor_id=actor_pk, timestamp=now)
        for student, diff in zip(students, diffs, strict=True)
    ]
    for entry in entries:
        entry.additional_data = PART if entry is not entries[0] else part_mark(entry)
    LogEntry.objects.bulk_create(entries)


def _masked(diff: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Hide what ``backoffice.audit`` hides in the entries that signals write."""
    return {
        name: [value and mask(str(value)) for value in pair] if name == "id_card" else pair
        for name, pair in diff.items()
    }
