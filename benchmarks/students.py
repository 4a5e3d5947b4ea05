"""What the student calls cost at 1,000 students and at many, and how close the list comes to a bare function.

    python benchmarks/students.py                        # 1,000,000 students, about three minutes
    python benchmarks/students.py --rows 100000 --only requests

Runs on throw-away engines, or on DATABASE_URL's server in a database of its own, whose CPU is then not counted.
"Database" is what PostgreSQL says of each statement (planning and execution, median), two statements added up where a
call sends two. "Page 1" is answered, in the same bytes, by Granian with two workers: ours with the token check, the
role gate, log line and metrics, behind nginx (WSGI) and on one port (ASGI); a WSGI function that has psycopg, orjson
and a total kept for a second, and nothing else; the same function that also reads page and count, asks who calls, reads
the exact total and logs the line that ours logs, which is what the ratios are to; and an async server that does all
that ours does (``equal.py``).
"""

import argparse
import logging
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import getrandbits
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.kit import (  # noqa: E402
    LARGE_DATABASE,
    SMALL_DATABASE,
    engines,
    fill_students,
    own_databases,
    url_of,
    use,
    without_limits,
)
from benchmarks.serving import CONNECTIONS, Server, body_of, compare_with_last, measure, request_of, served, table  # noqa: E402

SMALL = 1_000
ROUNDS = 25
PAGE = 10
COLUMNS = "sid, name, age, class_name, city, degree, product_url, description, headimgurl, created_at"
CREATED = "2019-05-09 02:14:12+08"
_SHANGHAI = ZoneInfo("Asia/Shanghai")


# --- Students ------------------------------------------------------------------------------------
def fill(count: int) -> float:
    """Make the table hold ``count`` students; answer the seconds it took, index and totals included."""
    start = time.monotonic()
    with without_limits():
        fill_students(
            count, lambda number: (f"H519{number % 50:02d}", "重庆", "专科", f"https://example.com/{number}", CREATED)
        )
    return time.monotonic() - start


# --- The database's side -------------------------------------------------------------------------
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
        psycopg.connect(url_of(SMALL_DATABASE), autocommit=True, cursor_factory=psycopg.ClientCursor) as at_small,
        psycopg.connect(url_of(LARGE_DATABASE), autocommit=True, cursor_factory=psycopg.ClientCursor) as at_large,
    ):
        print(f"\n{'Database, ms':32}{SMALL:>12,}{rows:>12,}{'ratio':>8}{'total':>12}")
        for name, (statements, total) in large.items():
            turns = [(database_ms(at_small, small[name][0]), database_ms(at_large, statements)) for _ in range(ROUNDS)]
            before, now = (statistics.median(times) for times in zip(*turns, strict=True))
            wide = sum(ord(character) > 0x2E80 for character in name)  # shown twice as wide
            print(f"{name:{32 - wide}}{before:12.2f}{now:12.2f}{now / before:8.1f}{total:12,}")


# --- Requests ------------------------------------------------------------------------------------
_held = threading.local()
_BARE_SQL = f"SELECT id, {COLUMNS} FROM students_student ORDER BY id DESC LIMIT {PAGE}"
_TOTAL_KEPT_S = 1.0


_BARE_CALLER = """
SELECT u.id, u.username, u.nickname, u.class_name, r.roleid, r.xmin::text || r.ctid::text
FROM accounts_user u JOIN permissions_role r ON r.id = u.role_id
WHERE u.unid = %s AND u.is_active AND u.epoch = %s
AND NOT EXISTS (SELECT FROM accounts_revokedtoken WHERE jti = %s)
"""


_BARE_PAGE = f"""
SELECT id, {COLUMNS}, total FROM students_student
RIGHT JOIN (SELECT coalesce(sum(n), 0)::bigint AS total FROM students_tally WHERE key = %s) AS counted
ON id = ANY (ARRAY(SELECT id FROM students_student ORDER BY id DESC LIMIT {{}} OFFSET {{}})) ORDER BY id DESC
"""


def bare_asking(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The same page, with what no server can leave out: who calls, the exact total, one line of log."""
    import orjson

    start = time.perf_counter()
    claims = bare_claims(environ["HTTP_AUTHORIZATION"])  # the signature is checked once, as in ours
    cursor = bare_cursor()
    values = [claims["unid"], claims["epoch"], claims["jti"]]
    caller = cursor.execute(_BARE_CALLER, values, prepare=True).fetchone() if claims["exp"] > time.time() else None
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    count = int(query["count"])
    page = _BARE_PAGE.format(count, count * (int(query["page"]) - 1))
    rows = cursor.execute(page, ["*"], prepare=True).fetchall() if caller else []
    data = [bare_row(*row[:-1]) for row in rows]
    body = orjson.dumps({"status": 1, "state": True, "msg": "请求成功", "total": rows[0][-1], "data": data})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    line = {"request_id": f"{getrandbits(80):020x}", "caller": claims["unid"], "method": environ["REQUEST_METHOD"]}
    line |= {"path": environ["PATH_INFO"], "http_status": 200, "event": "request", "level": "info", "logger": "bare"}
    line["timestamp"] = datetime.now(UTC).isoformat()
    line["took_ms"] = round(1000 * (time.perf_counter() - start), 1)
    logging.getLogger("bare").info(orjson.dumps(line).decode())
    return [body]


@cache
def bare_claims(token: str) -> dict[str, Any]:
    import jwt

    logging.basicConfig(format="%(message)s", level="INFO")
    return jwt.decode(token, os.environ["DJANGO_SECRET_KEY"], ["HS256"])


def bare_cursor() -> Any:
    import psycopg

    if not hasattr(_held, "cursor"):
        _held.cursor = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True).cursor(binary=True)
        _held.counted_at = float("-inf")
    return _held.cursor


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The same page from a WSGI function that knows nothing but how to fetch it; it counts once a second."""
    import orjson

    cursor = bare_cursor()
    if time.monotonic() - _held.counted_at > _TOTAL_KEPT_S:
        (_held.total,) = cursor.execute("SELECT count(*) FROM students_student").fetchone()
        _held.counted_at = time.monotonic()
    rows = [bare_row(*row) for row in cursor.execute(_BARE_SQL, prepare=True)]
    body = orjson.dumps({"status": 1, "state": True, "msg": "请求成功", "total": _held.total, "data": rows})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def bare_row(pk: int, sid: str, name: str, age: int, class_: str, *others: Any) -> dict[str, Any]:
    city, degree, url, description, picture, created_at = others
    t = created_at.astimezone(_SHANGHAI)
    return {
        "_id": f"{int(created_at.timestamp()):08x}{pk:016x}",
        "name": name,
        "headimgurl": picture,
        "age": str(age),
        "class": class_,
        "city": city,
        "degree": degree,
        "productUrl": url,
        "description": description,
        "cTime": f"{t.year}/{t.month:02}/{t.day:02} {t.hour:02}:{t.minute:02}:{t.second:02}",
        "sId": sid,
        "__v": 0,
    }


SERVERS = (
    Server("bare function, who calls", "benchmarks.students:bare_asking"),
    Server("bare WSGI function", "benchmarks.students:bare"),
    Server("async server, equal work", "benchmarks.equal:application", "asgi", ("--workers", "2", "--loop", "uvloop")),
    Server("ours", "config.wsgi:application"),
    Server("ours, one port", "config.asgi:application", "asgi", ("--workers", "2")),
)


def caller_token() -> str:
    from accounts.models import User
    from accounts.tokens import token_issue
    from permissions.models import Role
    from permissions.services.roles import roles_seed

    roles_seed()
    role = Role.objects.get(roleid="200")  # may read students by its rows, not by being root
    return token_issue(User.objects.create_user("bench", "-", role=role))


def compare(requests: int, rounds: int, *, save: bool) -> None:
    from django.conf import settings

    request = request_of(f"/students/getstulist?page=1&count={PAGE}", caller_token())
    environ = os.environ | {"PYTHONPATH": str(ROOT), "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
    environ |= {"DJANGO_SECRET_KEY": settings.SECRET_KEY, "SANDBOX": "0", "DEMO_DATA": "0"}  # as in production
    with ExitStack() as stack:
        figures = stack.enter_context(TemporaryDirectory())
        environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        ports = {server.name: stack.enter_context(served(server, environ)) for server in SERVERS}
        bodies = {body_of(port, request) for port in ports.values()}
        assert len(bodies) == 1, bodies
        costs = measure(ports, request, requests=requests, rounds=rounds)
    title = f"Page 1 of {PAGE}, 2 workers each, {CONNECTIONS} connections, {rounds} rounds of {requests:,} requests"
    table(title, costs)
    compare_with_last("page 1 of the students", costs, save=save)


# --- Start ---------------------------------------------------------------------------------------
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many students (default: 1,000,000)")
    parser.add_argument("--requests", type=int, default=3_000, help="to each server in each round (default: 3,000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is asked (default: 5)")
    parser.add_argument("--only", choices=("database", "requests"))
    parser.add_argument("--save", action="store_true", help="keep the ratios as those of the last release")
    options = parser.parse_args()
    with engines(), own_databases():
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings.local", "LOG_LEVEL": "ERROR"}
        import django
        from django.db import connections

        django.setup()
        if options.only != "requests":
            use(SMALL_DATABASE)
            fill(SMALL)
            small = prepare(SMALL)
        use(LARGE_DATABASE)
        seconds = fill(options.rows)
        print(f"{options.rows:,} students in {seconds:.0f} s")
        if options.only != "requests":
            print_table(small, prepare(options.rows), options.rows)
        if options.only != "database":
            compare(options.requests, options.rounds, save=options.save)
        connections.close_all()
        connections["default"].close_pool()


if __name__ == "__main__":
    main()
