"""How one page of students is read: its rows and their number in one statement, so of one moment."""

from datetime import datetime
from typing import Any, NamedTuple

from core.db.pool import prepared_cursor
from students.tally import fold_if_long


class StudentRow(NamedTuple):
    """A student as lists read it, without the weight of a model."""

    id: int
    sid: str
    name: str
    age: int
    class_name: str
    city: str
    degree: str
    product_url: str
    description: str
    headimgurl: str
    created_at: datetime


class Page(NamedTuple):
    """Some students, newest first, and how many there are of their kind."""

    total: int
    rows: list[StudentRow]


# The ids of a page come from an index alone; only the page's own rows are read. The students are named first:
# a TRUNCATE locks them before the tally, and who locks in the same order never waits in a circle.
_PAGE = """
SELECT {columns}, total, parts
FROM students_student RIGHT JOIN ({count}) AS counted ON id = ANY (ARRAY({ids}))
ORDER BY id DESC
"""
_TALLY = "SELECT coalesce(sum(n), 0)::bigint AS total, count(*) AS parts FROM students_tally WHERE key = %(counted)s"


def page_sql(ids: str, *, count: str = _TALLY) -> str:
    """Make the statement that reads the students whose ids the query ``ids`` answers.

    :param ids: may use ``%(limit)s`` and ``%(offset)s``.
    :param count: answers ``total`` and ``parts``; by default what the tally says of the key ``%(counted)s``.
    """
    return _PAGE.format(columns=", ".join(StudentRow._fields), count=count, ids=ids)


def page_read(sql: str, window: slice, **params: Any) -> Page:
    # Page and size stand in the statement itself: not knowing them, PostgreSQL would plan it anew each time.
    sql = sql.replace("%(limit)s", str(window.stop - window.start)).replace("%(offset)s", str(window.start))
    with prepared_cursor() as cursor:
        cursor.execute(sql, params)
        found = cursor.fetchall()
    *_, total, parts = found[0]
    if "counted" in params:
        fold_if_long({params["counted"]: parts})
    # An empty page is one row that holds the total alone.
    return Page(total, [StudentRow._make(row[:-2]) for row in found if row[0] is not None])
