"""What the benchmarks share: engines and databases of their own, and as many students as one likes."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from random import Random
from typing import Any

SMALL_DATABASE, LARGE_DATABASE = "bench_small", "bench_large"
COPY_ROWS = 20_000
# The surname at place n is held by 1/(n+3) as many as the first: 王 about 8 %, 谭 about 0.4 %.
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
LATIN = ["Anna", "Zhang", "Wei", "Li", "Mei", "Tom", "Smith", "Johnson", "Xiao", "Qiu", "Maria", "Ivan", "Kate", "Lin"]
# Three students with a name of which no other student has any part, however many there are.
ODD_NAME, ODD_STUDENTS = "龘靐齉", 3


# --- Databases -----------------------------------------------------------------------------------
@contextmanager
def engines() -> Iterator[None]:
    from devstack.engines import Engines

    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    with Engines(missing=missing, durable=False) as started:
        os.environ.update(started.urls)
        yield


def url_of(database: str) -> str:
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    return make_conninfo(**conninfo_to_dict(os.environ["DATABASE_URL"]) | {"dbname": database})


@contextmanager
def own_databases() -> Iterator[None]:
    """Make the two databases anew, let DATABASE_URL name the large one, and drop them at the end."""
    import psycopg

    url, names = os.environ["DATABASE_URL"], (SMALL_DATABASE, LARGE_DATABASE)
    with psycopg.connect(url, autocommit=True) as server:
        for name in names:
            server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {name}")
    os.environ["DATABASE_URL"] = url_of(LARGE_DATABASE)
    try:
        yield
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            for name in names:
                server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def use(database: str) -> None:
    """Point Django at ``database`` and bring it up to date."""
    from django.core.cache import cache
    from django.core.management import call_command
    from django.db import connection

    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = database
    cache.clear()
    call_command("migrate", verbosity=0)


@contextmanager
def without_limits() -> Iterator[Any]:
    """Yield a cursor whose statements take as long as they need, because what fills a table is no request."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        yield cursor
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET statement_timeout")


# --- Rows ----------------------------------------------------------------------------------------
def names(count: int) -> Iterator[list[str]]:
    """Chunks of names, always the same: nine in ten Chinese, two or three characters; one in ten Latin."""
    random = Random(1)
    pool = [chr(0x4E00 + random.randrange(6_000)) for _ in range(1_200)]
    surname_weights = list(accumulate(1 / (place + 3) for place in range(len(SURNAMES))))
    given_weights = list(accumulate(1 / (place + 8) for place in range(len(pool))))
    for start in range(0, count, COPY_ROWS):
        size = min(COPY_ROWS, count - start)
        surnames = random.choices(SURNAMES, cum_weights=surname_weights, k=size)
        firsts, seconds = (random.choices([*pool, ""], cum_weights=[*given_weights, x], k=size) for x in (7.0, 9.0))
        chunk = list(map("".join, zip(surnames, firsts, seconds, strict=True)))
        chunk[::10] = map(" ".join, zip(*(random.choices(LATIN, k=len(chunk[::10])) for _ in "ab"), strict=True))
        if start == 0:
            chunk[500 : 500 + ODD_STUDENTS] = [ODD_NAME] * ODD_STUDENTS
        yield chunk


def fill_students(count: int, others: Callable[[int], tuple[Any, ...]]) -> None:
    """Make the table hold ``count`` students.

    :param others: returns of a student's number: class, city, degree, project, moment of entry.
    """
    from django.db import connection

    from students.counts import counts_fold

    columns = "class_name, city, degree, product_url, created_at, sid, name, age, description, headimgurl"
    start, done = time.monotonic(), 0
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE students_student RESTART IDENTITY CASCADE")
        cursor.execute("SELECT pg_get_indexdef('student_keys'::regclass)")
        (index,) = cursor.fetchone()
        cursor.execute("DROP INDEX student_keys")  # as for any import of this size: load, then index
        for chunk in names(count):
            with cursor.copy(f"COPY students_student ({columns}) FROM STDIN") as out:
                for number, name in enumerate(chunk, done):
                    own = (f"BNCH{number:08d}", name, 18 + number % 10, "O(∩_∩)O哈哈~", "")
                    out.write_row((*others(number), *own))
            done += len(chunk)
            progress(done, count, time.monotonic() - start)
        counts_fold()
        cursor.execute(index)


def multiply(table: str, source: str, changes: dict[str, str], where: str = "true") -> None:
    """Insert each row ``t`` of ``table`` once more for every row of ``source``, with some columns changed."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND table_schema = 'public'",
            [table],
        )
        columns = [name for (name,) in cursor.fetchall()]
        values = ", ".join(changes.get(name, f"t.{name}") for name in columns)
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table} t, {source} WHERE {where}"
        )
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")


def progress(done: int, count: int, seconds: float) -> None:
    if sys.stderr.isatty() or done == count:
        bar = "█" * (40 * done // count)
        end = "\n" if done == count else ""
        print(f"\r{bar:40} {done:>9,} students {seconds:6.1f} s", end=end, file=sys.stderr, flush=True)
