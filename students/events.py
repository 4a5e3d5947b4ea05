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
        event_of(one, EventKind.MOVED, on, had_left=one.has_left, has_left=one.has_left, detail=f"从 {before}")
        for one, before in students
    ]


def moves_add(students: Iterable[tuple[StudentFields, str]], on: date) -> None:
    StudentEvent.objects.bulk_create(moves_of(students, on))


def archive_add(students: Iterable[StudentFields], on: date) -> None:
    StudentEvent.objects.bulk_create(
        event_of(one, EventKind.ARCHIVED, on, had_left=one.has_left, has_left=True) for one in students
    )


def restore_add(student: StudentFields, on: date) -> None:
    event_of(student, EventKind.RESTORED, on, had_left=True, has_left=student.has_left).save()
