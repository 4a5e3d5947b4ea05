"""Count students: all, of each class, and with each run of characters in the name. The totals are always exact.

Triggers on the table of students write to ``students_tally`` what each statement changed, raw SQL included, in the
statement's own transaction (docs/adr/0011). A key's count is the sum of its rows; a sweep keeps them few. The keys:

===========  ===========================================
``*``        all
``cH51901``  the class
``n谭``      each run of one to three characters of names
===========  ===========================================

``students_keys()`` in the database makes a student's keys; the GIN index ``student_keys`` finds students by them.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from core.db.reading import prepared_rows

ALL = "*"
MAX_GRAM = 3
FOLD_BATCH = 20_000  # after an import of all there are some 300,000 keys: too many for one statement's time

_COUNT = "SELECT coalesce(sum(n), 0)::bigint FROM students_tally WHERE key = %s"
_CLASSES = """
SELECT substr(key, 2), sum(n)::bigint FROM students_tally WHERE key >= 'c' AND key < 'd'
GROUP BY key HAVING sum(n) > 0 ORDER BY key
"""
# One statement replaces rows by their sum, so a reader sees either the rows or the sum. Rows that another fold or an
# open transaction has locked are left to a later fold, so no statement waits.
_FOLD = """
WITH gone AS (
    DELETE FROM students_tally WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM students_tally WHERE key = ANY(%s) FOR UPDATE SKIP LOCKED
    ))
    RETURNING key, n
)
INSERT INTO students_tally (key, n, fresh)
SELECT key, sum(n), false FROM gone GROUP BY key HAVING sum(n) <> 0
"""
_FRESH = "SELECT DISTINCT key FROM students_tally WHERE fresh"
_TRUE_COUNTS = """
SELECT key, count(*) AS n FROM students_student, unnest('*'::text || students_keys(id, class_name, name)) AS key
GROUP BY key
"""
_WRONG = f"""
SELECT coalesce(t.key, s.key) FROM ({_TRUE_COUNTS}) AS s
FULL JOIN (SELECT key, sum(n) AS n FROM students_tally GROUP BY key) AS t ON t.key = s.key
WHERE coalesce(t.n, 0) <> coalesce(s.n, 0) ORDER BY 1
"""  # noqa: S608  (a constant)


def class_key(class_name: str) -> str:
    return "c" + class_name


def name_keys(text: str) -> list[str]:
    """Return the keys that each student has whose name holds ``text``.

    For one to three characters only those students have them; for a longer text the names must be checked.
    """
    size = min(len(text), MAX_GRAM)
    return list(dict.fromkeys("n" + text[at : at + size] for at in range(len(text) - size + 1)))


def student_count(class_name: str = "") -> int:
    """Return the total that is kept of all students, or of one class."""
    key = class_key(class_name) if class_name else ALL
    return int(prepared_rows(_COUNT, [key])[0][0])


def class_counts() -> list[tuple[str, int]]:
    """Return the totals that are kept of the classes, in order of their names; no class without students."""
    return _rows(_CLASSES)


def counts_fold() -> int:
    """Replace the rows of each key by one that holds their sum; return how many keys. May run twice, also at once."""
    keys = [key for (key,) in _rows(_FRESH)]
    for at in range(0, len(keys), FOLD_BATCH):
        keys_fold(keys[at : at + FOLD_BATCH])
    return len(keys)


def keys_fold(keys: Sequence[str]) -> None:
    """Fold some keys. No count changes."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, [list(keys)])


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def counts_wrong() -> list[str]:
    """Name the keys whose count is wrong. Reads every student: for tests and ``manage.py students_recount``."""
    return [key for (key,) in _rows(_WRONG)]


def counts_rebuild() -> None:
    """Count all students anew. Needed only after work with the triggers disabled. Writers wait, readers do not."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE students_student IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("LOCK TABLE students_tally IN EXCLUSIVE MODE")
        cursor.execute("DELETE FROM students_tally")
        cursor.execute(f"INSERT INTO students_tally (key, n, fresh) SELECT key, n, false FROM ({_TRUE_COUNTS})")  # noqa: S608
