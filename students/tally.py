"""How many students have a key: exact at every moment, at a cost that does not grow with them.

Triggers on the table of students add to ``students_tally`` what each statement changed, in its own
transaction, whoever sent it (docs/adr/0011). A count is the sum of a key's few rows.
"""

from collections.abc import Sequence

from django.db import connection, transaction

from core.db.pool import prepared_cursor

# A sum over this many rows is still as fast as one over a single row.
MANY_PARTS = 64
FOLD_BATCH = 5_000

_COUNTS = "SELECT key, sum(n)::bigint, count(*) FROM students_tally WHERE key = ANY(%s) GROUP BY key"
# Rows are replaced by their sum in one statement: no reader sees both, or neither. A row that another fold or
# an open transaction holds is left to a later fold, so nobody waits.
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
_FRESH = "SELECT DISTINCT key FROM students_tally WHERE fresh AND key > %s ORDER BY key LIMIT %s"
_TRUE_COUNTS = """
SELECT key, count(*) AS n FROM students_student, unnest('*'::text || students_keys(id, class_name, name)) AS key
GROUP BY key
"""
_WRONG = f"""
SELECT coalesce(t.key, s.key) FROM ({_TRUE_COUNTS}) AS s
FULL JOIN (SELECT key, sum(n) AS n FROM students_tally GROUP BY key) AS t ON t.key = s.key
WHERE coalesce(t.n, 0) <> coalesce(s.n, 0) ORDER BY 1
"""  # noqa: S608  (a constant)


def tally_counts(wanted: Sequence[str]) -> dict[str, int]:
    """Count the students of each key; shortens the sums that have grown long."""
    with prepared_cursor() as cursor:
        cursor.execute(_COUNTS, [list(wanted)])
        rows = cursor.fetchall()
    fold_if_long({key: parts for key, _, parts in rows})
    return dict.fromkeys(wanted, 0) | {key: n for key, n, _ in rows}


def fold_if_long(parts: dict[str, int]) -> None:
    """Fold the keys whose sum was met with ``MANY_PARTS`` rows or more."""
    if long := [key for key, met in parts.items() if met >= MANY_PARTS]:
        tally_fold(long)


def tally_fold(wanted: Sequence[str]) -> None:
    """Replace the rows of each key by one that holds their sum. No count changes."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, [list(wanted)])


def tally_fold_all() -> int:
    """Fold every key that was written since it was last folded; answer how many. May run twice, also at once."""
    folded, last = 0, ""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_FRESH, [last, FOLD_BATCH])
            fresh = [key for (key,) in cursor.fetchall()]
        if not fresh:
            return folded
        tally_fold(fresh)
        folded, last = folded + len(fresh), fresh[-1]


def tally_wrong() -> list[str]:
    """Name the keys whose count is not what counting gives. Reads every student: for tests and doubts."""
    with connection.cursor() as cursor:
        cursor.execute(_WRONG)
        return [key for (key,) in cursor.fetchall()]


def tally_recount() -> None:
    """Count anew. Writers wait meanwhile; readers do not. Only needed after work with the triggers disabled."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE students_student IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("LOCK TABLE students_tally IN EXCLUSIVE MODE")
        cursor.execute("DELETE FROM students_tally")
        cursor.execute(f"INSERT INTO students_tally (key, n, fresh) SELECT key, n, false FROM ({_TRUE_COUNTS})")  # noqa: S608
