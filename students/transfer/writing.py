"""Many students in one statement."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from students.models import Student
from students.transfer.models import TransferRow

_UPDATE = """
UPDATE students_student AS s
SET name = v.name, age = v.age, class_name = v.class_name, city = v.city, degree = v.degree,
    product_url = v.product_url, description = v.description
FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS v (id, name, age, class_name, city, degree, product_url, description)
WHERE s.id = v.id
"""
_FIELDS = ("pk", "name", "age", "class_name", "city", "degree", "product_url", "description")


def students_update(students: Sequence[Student]) -> None:
    """Save all fields but number, picture and date. The rows must be locked: others' changes would be lost.

    ``bulk_update`` would send a CASE of thousands of branches for every column.
    """
    if students:
        with connection.cursor() as cursor:
            cursor.execute(_UPDATE, [[getattr(student, name) for student in students] for name in _FIELDS])


_NUMBERS = """
UPDATE students_transferrow AS r
SET student_pk = v.student_pk, cells = r.cells || jsonb_build_object('sId', v.sid)
FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS v (id, student_pk, sid)
WHERE r.id = v.id
"""


def rows_number(rows: Sequence[TransferRow], students: Sequence[Student]) -> None:
    """Note in each row which student came of it, for the result file."""
    given: list[Any] = [
        [row.pk for row in rows],
        [student.pk for student in students],
        [student.sid for student in students],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, given)


def students_delete(students: Sequence[Student]) -> None:
    """Delete the students, whose rows must be locked; Django would read them again and delete them one by one."""
    if students:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM students_student WHERE id = ANY(%s)", [[student.pk for student in students]])


_RESULTS = """
UPDATE students_transferrow AS r SET kind = v.kind, diff = v.diff, errors = v.errors
FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::jsonb[]) AS v (id, kind, diff, errors)
WHERE r.id = v.id
"""


def rows_save(rows: Sequence[TransferRow]) -> None:
    """Save what became of each row."""
    columns: list[list[Any]] = [[row.pk for row in rows], [str(row.kind) for row in rows]]
    columns += [[Jsonb(getattr(row, name)) for row in rows] for name in ("diff", "errors")]
    with connection.cursor() as cursor:
        cursor.execute(_RESULTS, columns)
