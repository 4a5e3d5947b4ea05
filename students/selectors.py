"""Questions about students: at most two queries each, in about the same time at any number of students."""

from django.db import connection

from students import keys
from students.errors import StudentUnknown
from students.models import Student
from students.pages import Page, page_read, page_sql
from students.search import search_page

# From here on it pays to ask the blocks of ids where a page begins.
DEEP = 2 << keys.BLOCK_BITS

_NEWEST = "SELECT id FROM students_student {where} ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s"
# Sum up the blocks, newest first, until one holds the page's first row; pass over rows only inside that block.
_DEEP = f"""
WITH start AS MATERIALIZED (
    SELECT substr(key, 2)::bigint AS block, %(offset)s - (upto - n) AS skip
    FROM (
        SELECT key, n, sum(n) OVER (ORDER BY key DESC ROWS UNBOUNDED PRECEDING) AS upto
        FROM (
            SELECT key, sum(n) AS n FROM students_tally WHERE key >= 'b' AND key < 'c'
            GROUP BY key ORDER BY key DESC OFFSET 0
        ) AS block
    ) AS summed
    WHERE upto > %(offset)s ORDER BY key DESC LIMIT 1
)
SELECT id FROM students_student WHERE id < (SELECT block + 1 FROM start) << {keys.BLOCK_BITS}
ORDER BY id DESC LIMIT %(limit)s OFFSET (SELECT skip FROM start)
"""  # noqa: S608  (made of constants)
_CLASSES_SQL = """
SELECT substr(key, 2) FROM students_tally WHERE key >= 'c' AND key < 'd' GROUP BY key HAVING sum(n) > 0 ORDER BY key
"""
_ALL_SQL, _DEEP_SQL = page_sql(_NEWEST.format(where="")), page_sql(_DEEP)
_CLASS_SQL = page_sql(_NEWEST.format(where="WHERE class_name = %(class_name)s"))


def student_page(window: slice, *, class_name: str = "", key: str = "") -> Page:
    """List students, newest first: of one class, or with ``key`` somewhere in the name, or both.

    :param window: which of them, as ``core.api.pagination.page_slice`` makes it.
    :param key: plain text; upper and lower case differ.
    """
    if key:
        return search_page(window, text=key, class_name=class_name)
    if class_name:
        return page_read(_CLASS_SQL, window, class_name=class_name, counted=keys.class_key(class_name))
    return page_read(_DEEP_SQL if window.start >= DEEP else _ALL_SQL, window, counted=keys.ALL)


def class_list() -> list[str]:
    """Name the classes that have students, each once, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_CLASSES_SQL)
        return [name for (name,) in cursor.fetchall()]


def class_students(class_name: str, *, most: int) -> list[Student]:
    """The first ``most`` students of a class, in the order they were entered."""
    return list(Student.objects.filter(class_name=class_name).order_by("pk")[:most])


def student_get(sid: str) -> Student:
    """:raises StudentUnknown: nobody has this number."""
    student = Student.objects.filter(sid=sid).first()
    if student is None:
        raise StudentUnknown
    return student
