"""Put students aside, and bring them back as they were: number, id, date, picture and history (docs/adr/0014)."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from core.audit import StaffAction
from students.bulk import students_note
from students.errors import NotArchived, NumberTaken
from students.models import ArchivedStudent, Student

MOST_ARCHIVED = 2_000
_COLUMNS = ", ".join(str(field.column) for field in Student._meta.concrete_fields)
# One statement each: a student is always in exactly one of the two tables.
_PUT_ASIDE = f"""
WITH gone AS (DELETE FROM students_student WHERE id = ANY(%s) RETURNING {_COLUMNS})
INSERT INTO students_archivedstudent ({_COLUMNS}, archived_at, archived_by_id) SELECT {_COLUMNS}, %s, %s FROM gone
"""  # noqa: S608  (names of our own columns)
_BRING_BACK = f"""
WITH back AS (DELETE FROM students_archivedstudent WHERE id = %s RETURNING {_COLUMNS})
INSERT INTO students_student ({_COLUMNS}) SELECT {_COLUMNS} FROM back
"""  # noqa: S608


def students_archive(*, pks: Sequence[int], actor_pk: int | None, now: datetime) -> list[Student]:
    """Put the students aside, all or none; return those that were still there."""
    with transaction.atomic():
        students = list(Student.objects.select_for_update().filter(pk__in=pks).order_by("pk"))
        with connection.cursor() as cursor:
            cursor.execute(_PUT_ASIDE, [[student.pk for student in students], now, actor_pk])
        changes = [{"班级": ["", student.class_name]} for student in students]
        students_note(StaffAction.ARCHIVE, students, changes, actor_pk, now)
    return students


def student_restore(*, pk: int, actor_pk: int | None, now: datetime) -> None:
    """Bring a student back.

    :raises NotArchived: somebody else was quicker.
    :raises NumberTaken: another student has the number by now, for example from an import of old data.
    """
    with transaction.atomic():
        archived = ArchivedStudent.objects.select_for_update(no_key=True).filter(pk=pk).first()
        if archived is None:
            raise NotArchived
        if Student.objects.filter(Q(pk=pk) | Q(sid=archived.sid)).exists():
            raise NumberTaken
        with connection.cursor() as cursor:
            cursor.execute(_BRING_BACK, [pk])
        students_note(StaffAction.RESTORE, [archived], [{"班级": ["", archived.class_name]}], actor_pk, now)
