"""Finding students by any part of their name.

How many have a run of up to three characters in their name is known beforehand (``students.tally``), so the
cheapest of three ways to their newest is chosen by arithmetic, where PostgreSQL could only guess.
"""

from students import keys
from students.models import Student
from students.pages import Page, page_read, page_sql
from students.tally import tally_counts

LONGEST_NAME = Student._meta.get_field("name").max_length or 0

# Costs in microseconds, measured on warm data: a row passed over, a stretch looked into and a hit found in it, a
# hit fetched when all are asked for at once.
PASS_US, STRETCH_US, HIT_US, FETCH_US = 0.15, 40, 7, 1.2
# Up to here a way costs about the same at any number of students, and is taken without further thought.
SHORT_SCAN, SHORT_WALK = 2_000, 4

_HELD = "students_keys(id, class_name, name) @> %(keys)s::text[]"

# Go through all, newest first, until the page is full: best when many match.
_SCAN = """
SELECT id FROM students_student WHERE strpos(name, %(text)s) > 0 ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s
"""
# Ask the index about one stretch of ids after the other, newest first, until the page is full. A lateral join can
# only go through the stretches in their order; to have it sorted again would cost one stretch more.
_WALK = """
SELECT hit.id
FROM (SELECT key FROM students_tally WHERE key >= 'w' AND key < 'x' GROUP BY key ORDER BY key DESC OFFSET 0) AS stretch
CROSS JOIN LATERAL (
    SELECT id FROM students_student
    WHERE students_keys(id, class_name, name) @> (%(keys)s::text[] || stretch.key COLLATE "default")
    ORDER BY id DESC OFFSET 0
) AS hit
LIMIT %(limit)s OFFSET %(offset)s
"""
# Ask the index for all: best when few match. OFFSET 0 keeps PostgreSQL from scanning after all.
_FETCH = f"""
SELECT id FROM (SELECT id FROM students_student WHERE {_HELD} OFFSET 0) AS hit
ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608  (made of constants)
_SCAN_SQL, _WALK_SQL, _FETCH_SQL = page_sql(_SCAN), page_sql(_WALK), page_sql(_FETCH)

# What the keys alone do not decide is fetched and looked at, and counted on the way.
_SIFT = f"""
WITH hit AS MATERIALIZED (SELECT id FROM students_student WHERE {_HELD} AND strpos(name, %(text)s) > 0)
"""  # noqa: S608  (made of constants)
_SIFT_SQL = _SIFT + page_sql(
    "SELECT id FROM hit ORDER BY id DESC LIMIT %(limit)s OFFSET %(offset)s",
    count="SELECT count(*) AS total, 0 AS parts FROM hit",
)


def search_page(window: slice, *, text: str, class_name: str = "") -> Page:
    """Find the students whose name holds ``text`` as it stands, newest first."""
    if len(text) > LONGEST_NAME:
        return Page(0, [])
    wanted = keys.name_keys(text) + ([keys.class_key(class_name)] if class_name else [])
    counts = tally_counts([keys.ALL, *wanted])
    everybody = counts.pop(keys.ALL)
    most = min(counts.values())
    if most == 0:
        return Page(0, [])
    if len(text) > keys.LONGEST_GRAM or class_name:
        return page_read(_SIFT_SQL, window, keys=wanted, text=text)
    if window.start >= most:
        return Page(most, [])
    sql = _cheapest(most, everybody, window.stop)
    return page_read(sql, window, keys=wanted, text=text, counted=wanted[0])


def _cheapest(matching: int, everybody: int, needed: int) -> str:
    """Choose the way to the ``needed`` newest of ``matching`` among ``everybody``, taking them as evenly spread."""
    passed = needed * everybody / matching
    if passed <= SHORT_SCAN:
        return _SCAN_SQL
    stretches = passed / (1 << keys.STRETCH_BITS)
    if stretches <= SHORT_WALK:
        return _WALK_SQL
    costs = {
        _SCAN_SQL: min(passed, everybody) * PASS_US,
        _WALK_SQL: stretches * STRETCH_US + needed * HIT_US,
        _FETCH_SQL: matching * FETCH_US,
    }
    return min(costs, key=costs.__getitem__)
