"""What the database takes for each call of the students' list and search, at 1,000 students and at many.

    python -m benchmarks.students                        # 1,000,000 students, about three minutes

Runs on throw-away engines, or on DATABASE_URL's server in databases of its own. The figures are what PostgreSQL says of
each statement (planning and execution, median), two statements added up where a call sends two.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import kit

SMALL = 1_000
ROUNDS = 25
PAGE = 10


def fill(count: int) -> None:
    start = time.monotonic()
    with kit.without_limits():
        kit.fill_students(count)
    print(f"{count:,} students in {time.monotonic() - start:.0f} s", flush=True)


def calls(rows: int) -> dict[str, Callable[[], Any]]:
    """What is measured: the selectors that the API calls."""
    from students.selectors import class_list, student_page

    def page(start: int = 0, **what: str) -> Callable[[], Any]:
        return lambda: student_page(slice(start, start + PAGE), **what)

    return {
        "page 1": page(),
        "page 1000": page(999 * PAGE),
        "last page": page(rows - PAGE),
        "one class": page(class_name="H51901"),
        "class list": class_list,
        "1 character, common: 王": page(key="王"),
        "1 character, seldom: 谭": page(key="谭"),
        "1 character, rare: 龘": page(key="龘"),
        "2 characters, common": page(key=common(2)),
        "2 characters, rare: 靐齉": page(key="靐齉"),
        "3 characters, common": page(key=common(3)),
        "3 characters, rare: 龘靐齉": page(key="龘靐齉"),
        "1 letter: a": page(key="a"),
        "1 letter, rare: Q": page(key="Q"),
        "2 letters: an": page(key="an"),
        "3 letters: ang": page(key="ang"),
        "no match: 谭Q": page(key="谭Q"),
        "5 letters: Zhang": page(key="Zhang"),
        "class and 王": page(key="王", class_name="H51901"),
        "page 100 of 王": page(99 * PAGE, key="王"),
    }


def common(size: int) -> str:
    """The Chinese run of ``size`` characters that most names hold."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT substr(key, 2) FROM students_tally WHERE key ~ %s GROUP BY key ORDER BY sum(n) DESC, key LIMIT 1",
            [f"^n[一-龥]{{{size}}}$"],
        )
        return cursor.fetchone()[0]


def prepare(rows: int) -> dict[str, tuple[list[tuple[str, Any]], int]]:
    """Each call's statements, as the selectors send them, and the total it answers."""
    from django.db import connection

    records: list[tuple[str, Any]] = []

    def listen(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        records.append((sql, params))
        return execute(sql, params, many, context)

    pks = {}
    for name, call in calls(rows).items():
        records.clear()
        with connection.execute_wrapper(listen):
            answer = call()
        assert len(records) <= 2, records
        pks[name] = (list(records), len(answer) if isinstance(answer, list) else answer.total)
    return pks


def database_ms(connection: Any, statements: list[tuple[str, Any]]) -> float:
    """Planning and execution of the statements, in ms, by PostgreSQL's own clock."""
    total = 0.0
    for sql, params in statements:
        row = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params).fetchone()
        total += row[0][0]["Planning Time"] + row[0][0]["Execution Time"]
    return total


def print_table(small: dict[str, Any], large: dict[str, Any], rows: int) -> None:
    """Measure and print; the two sizes in turns, so that a busy machine slows both alike."""
    import psycopg

    with (
        psycopg.connect(
            kit.url_of(kit.SMALL_DATABASE), autocommit=True, cursor_factory=psycopg.ClientCursor
        ) as at_small,
        psycopg.connect(
            kit.url_of(kit.LARGE_DATABASE), autocommit=True, cursor_factory=psycopg.ClientCursor
        ) as at_large,
    ):
        print(f"\n{'Database, ms':32}{SMALL:>12,}{rows:>12,}{'ratio':>8}{'total':>12}")
        for name, (statements, total) in large.items():
            turns = [(database_ms(at_small, small[name][0]), database_ms(at_large, statements)) for _ in range(ROUNDS)]
            before, now = (statistics.median(times) for times in zip(*turns, strict=True))
            wide = sum(ord(character) > 0x2E80 for character in name)  # shown twice as wide
            print(f"{name:{32 - wide}}{before:12.2f}{now:12.2f}{now / before:8.1f}{total:12,}")


def main() -> None:
    parser = kit.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many students (default: 1,000,000)")
    rows = parser.parse_args().rows
    with kit.prepared():
        kit.use(kit.SMALL_DATABASE)
        fill(SMALL)
        small = prepare(SMALL)
        kit.use(kit.LARGE_DATABASE)
        fill(rows)
        print_table(small, prepare(rows), rows)


if __name__ == "__main__":
    main()
