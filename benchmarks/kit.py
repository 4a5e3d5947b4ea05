"""What the benchmarks share: engines and a database of their own, rows as many as one likes, servers and their costs.

CPU is that of all processes below this one, PostgreSQL and Valkey included, and hardly changes on a busy machine;
requests per second and the slowest hundredth need a quiet one. The load comes from this process and is not counted.
"""

import argparse
import http.client
import json
import os
import selectors
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from devstack.engines import Engines
from operations import units
from tests.kit import free_ports
from tests.processes import ROOT, Service, family

DATABASE = "bench"
CONNECTIONS = 32
PATIENCE_S = 60
LAST_RELEASE = ROOT / "benchmarks" / "last_release.json"
WORSE = 0.9  # a ratio below this part of the former one is no chance
# The surname at place n is held by 1/(n+3) as many as the first: 王 about 8 %, 谭 about 0.4 %.
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
LATIN = ["Anna", "Zhang", "Wei", "Li", "Mei", "Tom", "Smith", "Johnson", "Xiao", "Qiu", "Maria", "Ivan", "Kate", "Lin"]
CREATED = "2019-05-09 02:14:12+08"


def parser(doc: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


# --- Engines and a database ----------------------------------------------------------------------
@contextmanager
def prepared(*, durable: bool = False, **environ: str) -> Iterator[None]:
    """Be Django on engines, or on DATABASE_URL's server, in an empty database; all of it is gone at the end.

    :param durable: let commits reach the disk.
    :param environ: beside development's settings, for this process and for those that it starts.
    """
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    with Engines(missing=missing, durable=durable) as started, TemporaryDirectory() as home:
        os.environ |= started.urls
        settings = {"DATABASE_URL": url_of(DATABASE), "DJANGO_SETTINGS_MODULE": "config.settings.local"}
        settings |= {"STATE_DIR": home, "MEDIA_ROOT": f"{home}/media", "LOG_LEVEL": "ERROR", "PYTHONPATH": str(ROOT)}
        os.environ |= settings | environ
        import django

        django.setup()
        try:
            make_empty()
            yield
        finally:
            drop()


def url_of(database: str) -> str:
    return make_conninfo(**conninfo_to_dict(os.environ["DATABASE_URL"]) | {"dbname": database})


def make_empty() -> None:
    """Make the database anew, with tables and no rows but those of the migrations."""
    from django.core.cache import cache
    from django.core.management import call_command

    drop()
    with psycopg.connect(url_of("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {DATABASE}")
    cache.clear()
    call_command("migrate", verbosity=0)


def drop() -> None:
    from django.db import connections

    connections.close_all()
    connections["default"].close_pool()
    with psycopg.connect(url_of("postgres"), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


@contextmanager
def without_limits() -> Iterator[None]:
    """Let statements take as long as they need, because what fills a table is no request."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        yield
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET statement_timeout")


# --- Rows ----------------------------------------------------------------------------------------
def names(count: int) -> list[str]:
    """Return names, always the same: nine in ten Chinese, two or three characters; one in ten Latin."""
    random = Random(1)
    pool = [chr(0x4E00 + random.randrange(6_000)) for _ in range(1_200)]
    surname_weights = list(accumulate(1 / (place + 3) for place in range(len(SURNAMES))))
    given_weights = list(accumulate(1 / (place + 8) for place in range(len(pool))))
    surnames = random.choices(SURNAMES, cum_weights=surname_weights, k=count)
    firsts, seconds = (random.choices([*pool, ""], cum_weights=[*given_weights, x], k=count) for x in (7.0, 9.0))
    made = list(map("".join, zip(surnames, firsts, seconds, strict=True)))
    made[::10] = map(" ".join, zip(*(random.choices(LATIN, k=len(made[::10])) for _ in "ab"), strict=True))
    return made


def plain_student(number: int) -> tuple[Any, ...]:
    return f"H519{number % 50:02d}", "重庆", "专科", f"https://example.com/{number}", CREATED


def fill_students(count: int, others: Callable[[int], tuple[Any, ...]] = plain_student) -> None:
    """Make the table hold ``count`` students.

    :param others: returns of a student's number: class, city, degree, project, moment of entry.
    """
    from django.db import connection

    from students.counts import counts_fold

    columns = "class_name, city, degree, product_url, created_at, sid, name, age, description, headimgurl"
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE students_student RESTART IDENTITY CASCADE")
        cursor.execute("SELECT pg_get_indexdef('student_keys'::regclass)")
        (index,) = cursor.fetchone()
        cursor.execute("DROP INDEX student_keys")  # as for any import of this size: load, then index
        with cursor.copy(f"COPY students_student ({columns}) FROM STDIN") as out:
            for number, name in enumerate(names(count)):
                own = (f"BNCH{number:08d}", name, 18 + number % 10, "O(∩_∩)O哈哈~", "")
                out.write_row((*others(number), *own))
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


def make_products(count: int, *, price: str, stock: int) -> list[Any]:
    """Make a category with so many products, and return these."""
    from django.utils import timezone

    from shop.models import Product
    from shop.services.catalogue import category_create

    now = timezone.now()
    category = category_create(name="车辆", actor="root", now=now)
    return Product.objects.bulk_create(
        Product(
            product_id=f"{20260101000000000 + n}", category=category, name=f"折叠自行车{n}", price=Decimal(price),
            stock=stock, description="16寸,可折叠", creator="root", created_at=now,
        )
        for n in range(count)
    )  # fmt: skip


# --- Servers -------------------------------------------------------------------------------------
def granian(target: str, interface: str, *more: str) -> list[str]:
    """Return the command of two workers."""
    words = [sys.executable, "-m", "granian", "--interface", interface, "--host", "127.0.0.1", "--http", "1"]
    return [*words, "--log-level", "error", "--workers", "2", *more, target]


@contextmanager
def served(
    argv: list[str], environ: Mapping[str, str], *, port: int = 0, log: Path = Path(os.devnull)
) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server on ``port`` or on a free one, which is its last option; return the port and the process."""
    port = port or free_ports(1)[0]

    def is_listening() -> bool:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True

    with Service([*argv, "--port", str(port)], environ, log) as server:
        server.wait_until(is_listening)
        yield port, psutil.Process(server.process.pid)


@contextmanager
def deployed_web(environ: Mapping[str, str], **options: Any) -> Iterator[tuple[int, psutil.Process]]:
    """Run the web server as its unit in ``deploy/systemd`` has it."""
    argv = units.command("web", "--log-level", "error", without=["--port", "--log-config"])
    with served(argv, environ | units.environment("web"), **options) as running:
        yield running


def settle() -> None:
    """Wait until nothing works any more: a server answers as soon as its first process has started."""
    for _ in range(PATIENCE_S):
        before = cpu_seconds()
        time.sleep(1)
        if cpu_seconds() - before < 0.1:
            return


def cpu_seconds(process: psutil.Process | None = None) -> float:
    """Return the CPU that all processes below ``process`` or this one have taken, those that have ended included."""
    total = 0.0
    for each in family(process.pid if process else os.getpid())[1:]:
        try:
            total += sum(each.cpu_times()[:4])  # user and system, of itself and of children that have ended
        except psutil.NoSuchProcess:
            pass
    return total


def memory_mb(process: psutil.Process) -> float:
    """Return what it and those below it own: a library that several processes share is counted in parts (PSS)."""
    total = 0
    for each in family(process.pid):
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            pass
    return total / 2**20


# --- One request, sent again and again -----------------------------------------------------------
@dataclass
class Cost:
    """What requests have cost a server, one entry a round."""

    cpu_ms: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    @property
    def least_cpu_ms(self) -> float:
        return min(self.cpu_ms)


def measure(ports: dict[str, int], request: bytes, *, requests: int, rounds: int) -> dict[str, Cost]:
    """Send ``request`` to each of ``ports`` in turns, ``requests`` times a round."""
    costs = {name: Cost() for name in ports}
    for port in ports.values():
        load(port, request, max(requests // 2, 300))  # warm up: pools, prepared statements
    settle()
    for _ in range(rounds):
        for name, port in ports.items():
            before, start = cpu_seconds(), time.perf_counter()
            took = load(port, request, requests)
            costs[name].per_second.append(requests / (time.perf_counter() - start))
            costs[name].cpu_ms.append(1000 * (cpu_seconds() - before) / requests)
            costs[name].p99_ms.append(1000 * share(took, 99))
    return costs


def share(took: list[float], percent: int) -> float:
    """Return what ``percent`` of the values lie below."""
    return sorted(took)[len(took) * percent // 100] if took else 0.0


def load(port: int, request: bytes, requests: int) -> list[float]:
    """Send ``request`` that many times over ``CONNECTIONS`` connections; return the seconds each answer took.

    Every answer must be a 200.
    """
    waiting, buffers, sent_at = selectors.DefaultSelector(), {}, {}
    unsent, took = requests, []

    def send(connection: socket.socket) -> None:
        nonlocal unsent
        buffers[connection] = b""
        if unsent:
            unsent -= 1
            sent_at[connection] = time.perf_counter()
            connection.sendall(request)

    for _ in range(min(CONNECTIONS, requests)):
        connection = socket.create_connection(("127.0.0.1", port), 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(connection, selectors.EVENT_READ)
        send(connection)
    while len(took) < requests:
        if not (ready := waiting.select(30)):
            raise SystemExit("No answer for 30 s.")
        for entry, _ in ready:
            connection = entry.fileobj  # type: ignore[assignment]
            part = connection.recv(262_144)
            if not part:
                raise SystemExit(f"The connection was closed after {buffers[connection][:300]!r}")
            buffers[connection] += part
            if _is_whole(buffers[connection]):
                took.append(time.perf_counter() - sent_at[connection])
                send(connection)
    for connection in buffers:
        connection.close()
    return took


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"Not a 200: {answer[:500]!r}")
    length = head.lower().partition(b"content-length:")[2]
    return len(body) >= int(length.split(b"\r\n")[0])


def request_of(path: str, token: str) -> bytes:
    """Write a request as a front end on another origin sends it."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://front.example\r\n"
    return f"{head}authorization: {token}\r\n\r\n".encode()


def table(title: str, costs: dict[str, Cost]) -> None:
    """Print ``costs``; ratios are to the first one."""
    base = next(iter(costs.values()))
    print(f"\n{title}")
    print(f"  {'':32}{'CPU ms a request':>20}{'ratio':>7}{'requests/s':>12}{'ratio':>7}{'p99 ms':>9}")
    print(f"  {'':32}{'least':>10}{'median':>10}")
    for name, cost in costs.items():
        cpu, rate = statistics.median(cost.cpu_ms), statistics.median(cost.per_second)
        by_cpu = base.least_cpu_ms / cost.least_cpu_ms
        by_rate = rate / statistics.median(base.per_second)
        print(
            f"  {name:32}{cost.least_cpu_ms:10.3f}{cpu:10.3f}{by_cpu:7.2f}{rate:12,.0f}{by_rate:7.2f}"
            f"{statistics.median(cost.p99_ms):9.1f}"
        )


def compare_with_last(what: str, costs: dict[str, Cost], *, save: bool) -> None:
    """Print which servers cost more CPU, beside the first one, than at the last release; or ``save`` these figures."""
    base = next(iter(costs.values()))
    ratios = {name: round(base.least_cpu_ms / cost.least_cpu_ms, 3) for name, cost in costs.items()}
    last = json.loads(LAST_RELEASE.read_text("utf-8")) if LAST_RELEASE.exists() else {}
    if save:
        text = json.dumps(last | {what: ratios}, ensure_ascii=False, indent=2, sort_keys=True)
        LAST_RELEASE.write_text(text + "\n", "utf-8")
        return
    if what not in last:
        print("  No figures of a release are kept; --save keeps these.")
        return
    slower = [
        f"{name} {ratio:.2f}, it was {last[what][name]:.2f}"
        for name, ratio in ratios.items()
        if ratio < last[what].get(name, 0) * WORSE
    ]
    print("  Slower than at the last release: " + ("; ".join(slower) or "nothing"))


# --- People --------------------------------------------------------------------------------------
@dataclass
class Tally:
    """What people, or an attack, were answered."""

    seconds: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Answers with their numbers, as ``200×12 503×3``."""
        return " ".join(f"{answer}×{number}" for answer, number in sorted(self.answers.items()))

    @property
    def failed(self) -> int:
        return sum(number for answer, number in self.answers.items() if answer[0] not in "123")


def ask(
    port: int, method: str, path: str, body: Any = None, *, tally: Tally | None = None, token: str = "",
    sender: str = "127.0.0.1", kind: str = "application/json", patience_s: float = PATIENCE_S, **headers: str,
) -> tuple[str, Any, str]:  # fmt: skip
    """Send one request from an address of this machine; return and count its status, or the name of an error.

    Beside the status: the body, parsed where it is JSON, and ``Retry-After``.
    """
    if isinstance(body, dict):
        body = json.dumps(body).encode() if "json" in kind else urlencode(body).encode()
    content: Any = b""
    retry_after, start = "", time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=patience_s, source_address=(sender, 0))
    try:
        types = {"Content-Type": kind} if body is not None else {}
        client.request(method, quote(path, safe="/?=&"), body, types | {"authorization": token} | headers)
        answer = client.getresponse()
        content, status, retry_after = answer.read(), str(answer.status), answer.headers.get("Retry-After", "")
        content = json.loads(content) if content[:1] == b"{" else content
    except (OSError, http.client.HTTPException) as error:
        status = type(error).__name__
    finally:
        client.close()
    if tally is not None:
        tally.seconds.append(time.perf_counter() - start)
        tally.answers[status] += 1
    return status, content, retry_after


@contextmanager
def crowd(people: Iterable[Callable[[threading.Event], Any]]) -> Iterator[None]:
    """Let each of ``people`` live in a thread until the block ends, which sets the event that all of them get."""
    is_over = threading.Event()
    threads = [threading.Thread(target=person, args=[is_over]) for person in people]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


FORM = "multipart/form-data; boundary=a-boundary-of-pictures"


def form_of(*pictures: bytes) -> bytes:
    """Return the body of a form with pictures, whose type is ``FORM``."""
    head = b'--a-boundary-of-pictures\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\n\r\n'
    return b"".join(head + picture + b"\r\n" for picture in pictures) + b"--a-boundary-of-pictures--\r\n"


def show(what: str, value: str) -> None:
    print(f"{what:95} {value}", flush=True)
