"""What happens in students' lives, written down in the transaction of the change (``students.models.StudentEvent``)."""

from collections.abc import Iterable
from datetime import date

from students.models import EventKind, StudentEvent, StudentFields


def event_of(
    student: StudentFields, kind: EventKind, on: date, *, had_left: bool, has_left: bool, detail: str = ""
) -> StudentEvent:
    """Make an event that is not saved yet. ``had_left`` and ``has_left``: before and after it, archived counts too."""
    return StudentEvent(
        student_pk=student.pk,
        sid=student.sid,
        class_name=student.class_name,
        created_by_id=student.created_by_id,
        kind=kind,
        on=on,
        is_leaving=has_left and not had_left,
        is_return=had_left and not has_left,
        detail=detail[:200],
    )


def moves_of(students: Iterable[tuple[StudentFields, str]], on: date) -> list[StudentEvent]:
    """Make the events of students in a new class, each with the name of the class it comes from."""
    return [
        event_of(who, EventKind.MOVED, on, had_left=who.has_left, has_left=who.has_left, detail=f"从 {before}")
        for who, before in students
    ]


def events_add(events: Iterable[StudentEvent], run_pk: int | None = None) -> None:
    """Save events; of those of a run, ``run_pk``, an undo removes what it takes back."""
    rows = list(events)
    for row in rows:
        row.run_pk = run_pk
    StudentEvent.objects.bulk_create(rows)
