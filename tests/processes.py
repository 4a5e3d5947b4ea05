"""Processes of ours that tests start, as their units in ``deploy/systemd`` say, and what one asks them."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self
from urllib.parse import quote, urlencode

import psutil
import psycopg
import redis
from django.conf import settings
from django.db import connection

from operations import units
from tests.kit import deployed, free_ports
from tests.needs import NGINX

ROOT = Path(__file__).resolve().parents[1]
START_S = 150  # on a machine that is busy with other tests
STOP_S = 15
THREADS = 8
DEPLOYED_HOST = "api.example.com"  # of spms.env.example
# Upstreams where no process listens.
NO_UPSTREAMS = dict.fromkeys(("WEATHER_BASE_URL", "WECHAT_API_BASE_URL", "SMS_BASE_URL"), "http://127.0.0.1:9")
ANSWER_TIMEOUT_S = 60  # as nginx waits in production
# What questions to something raise that is not up yet, or between two lives.
NOT_YET = (OSError, http.client.HTTPException, psycopg.Error, redis.RedisError, LookupError, StopIteration)


# What belongs to the tests of this process alone.
OWN = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "STATE_DIR", "PORT", "UP_ENDS_WITH_PARENT"}


def plain_environ(**more: str) -> dict[str, str]:
    """An environment without any variable of ours, and ``more``."""
    clean = {name: value for name, value in os.environ.items() if name not in OWN and "PYTEST" not in name}
    return clean | {"PYTHONPATH": str(ROOT)} | more


def family(pid: int) -> list[psutil.Process]:
    """The process and all that it started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def assert_all_gone(processes: list[psutil.Process], timeout_s: float = 60.0) -> None:
    _, alive = psutil.wait_procs(processes, timeout=timeout_s)
    assert [one.cmdline() for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []


def until(true: Callable[[], Any], seconds: float) -> Any:
    """Ask again and again, also while there is no answer; None when it never came true."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with suppress(*NOT_YET):
            if value := true():
                return value
        time.sleep(0.1)
    return None


def deployed_environ(home: Path, **more: str) -> dict[str, str]:
    """The variables of ``spms.env.example`` with places below ``home``, a secret, and ``more``, without its engines."""
    example = (ROOT / "deploy/systemd/spms.env.example").read_text("utf-8")
    values = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    del values["DATABASE_URL"], values["REDIS_URL"]
    places = {name: str(home / name.lower()) for name in ("STATE_DIR", "MEDIA_ROOT", "STATIC_ROOT")}
    return values | places | {"DJANGO_SECRET_KEY": "k" * 50} | more


def bare_environ(home: Path, **more: str) -> dict[str, str]:
    """The environment of a deployed process, which inherits nothing of ours; its home is ``home``."""
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
    # What Celery says to root, which no unit is.
    inherited |= {"PYTHONWARNINGS": "ignore:You're running the worker", "PYTHONPATH": str(ROOT), "HOME": str(home)}
    return inherited | deployed_environ(home, **more)


class Service:
    """A process in a group of its own; what it says goes into the file ``log``. A block ends it."""

    def __init__(self, command: Sequence[Any], environ: Mapping[str, str], log: Path, **options: Any) -> None:
        self.command, self.file = command, log
        self.options = {"cwd": ROOT, "env": environ, "start_new_session": True} | options
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        with self.file.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, **self.options)

    def log(self) -> str:
        return self.file.read_text("utf-8")

    def wait_until(self, true: Callable[[], Any], seconds: float = START_S) -> None:
        """Wait until something is true while the process lives; else fail with what it said."""

        def is_over() -> bool:
            assert self.process.poll() is None, self.log()[-4000:]
            return bool(true())

        assert until(is_over, seconds), self.log()[-4000:]

    def kill(self) -> None:
        """End it and all that it has started: Granian's workers outlive a parent that is killed."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """End it as ``systemctl stop`` does, but with less patience."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        self.kill()


def database_url() -> str:
    """The test database, as another process reaches it."""
    facts = connection.settings_dict
    user = facts["USER"] + (f":{quote(facts['PASSWORD'])}" if facts["PASSWORD"] else "")
    host = facts["HOST"]
    if host.startswith("/"):
        return f"postgresql://{user}@/{facts['NAME']}?host={quote(host, safe='/')}"
    return f"postgresql://{user}@{host}:{facts['PORT'] or 5432}/{facts['NAME']}"


def environment(**more: str) -> dict[str, str]:
    """The environment of another process that works with what this test has."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.local", "DATABASE_URL": database_url(), "PYTHONPATH": str(ROOT),
        "REDIS_URL": settings.REDIS_URL, "DJANGO_SECRET_KEY": settings.SECRET_KEY, "LOG_LEVEL": "ERROR",
    } | more  # fmt: skip


# All that it writes stays in one folder: it need not be root's.
NGINX_FOLDERS = " ".join(f"{name}_temp_path temp;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
# Started by root, its workers would run as `nobody`, which may not write there.
NGINX_USER = "user root;" if os.geteuid() == 0 else ""
NGINX_EVENTS = "events {{ worker_connections 4096; }}"  # 300 clients at once, each with a connection behind
NGINX_FRAME = NGINX_USER + " pid nginx.pid; error_log error.log; daemon off; " + NGINX_EVENTS + " http {{ {} }}"


@contextmanager
def nginx_before(
    home: Path, *, web: int, socket: int, changes: dict[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Run nginx with ``deploy/nginx.conf`` before two ports; return its own two.

    The first is that of https, without TLS, because there is no certificate here. ``home`` is the folder of all files.
    """
    https, http = free_ports(2)
    changes = {
        "127.0.0.1:8001": f"127.0.0.1:{web}",
        "127.0.0.1:8002": f"127.0.0.1:{socket}",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{https};",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "ssl_certificate": "# ssl_certificate",
        "/var/log/nginx/": "",
        "root /var/lib/spms;": f"root {home};",
    } | (changes or {})
    (home / "nginx.conf").write_text(NGINX_FRAME.format(NGINX_FOLDERS + deployed("nginx.conf", changes)), "utf-8")
    command = [NGINX, "-p", str(home), "-c", str(home / "nginx.conf"), "-e", str(home / "error.log")]
    with Service(command, os.environ, home / "error.log") as nginx:
        nginx.wait_until((home / "nginx.pid").exists)
        yield https, http


@contextmanager
def web_processes(
    ports: list[int], target: str = "config.wsgi:application", threads: int | None = THREADS, **environ: str
) -> Iterator[list[int]]:
    """Run one web process per port; they share nothing but PostgreSQL and Valkey.

    :param threads: of each process; None for as many as in production.
    """
    environ = environment(**units.environment("web")) | environ
    more = ["--workers", "1", *(["--blocking-threads", str(threads)] if threads else [])]
    with NamedTemporaryFile(prefix="web-") as log:
        running = []
        try:
            for port in ports:
                words = units.command("web", "--port", str(port), *more)
                words = [target if word == "config.wsgi:application" else word for word in words]
                running.append(Service(words, environ, Path(log.name)))
            for port, web in zip(ports, running, strict=True):
                web.wait_until(lambda port=port: ask(port, "GET", "/health/live")[0] == 200)
            yield ports
        finally:
            for web in running:
                web.process.terminate()
            for web in running:
                web.end()


def ask(port: int, method: str, path: str, data: Any = None, token: str = "", **headers: str) -> tuple[int, Any]:
    """One request on a connection of its own: HTTP status, and the body (parsed where it is JSON)."""
    headers = {"authorization": token, "content-type": "application/json"} | headers
    if method == "GET" and data:
        path, data = f"{path}?{urlencode(data)}", None
    body = data if isinstance(data, bytes) or data is None else json.dumps(data)
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        client.request(method, path, body, headers)
        answer = client.getresponse()
        raw = answer.read()
    finally:
        client.close()
    try:
        return answer.status, json.loads(raw)
    except ValueError:
        return answer.status, raw


@contextmanager
def load(*clients: Callable[[], tuple[int, Any]]) -> Iterator[list[tuple[int, Any]]]:
    """Let each of ``clients`` ask all the time; the value collects their answers, with the status 0 for none."""
    answers: list[tuple[int, Any]] = []
    over = threading.Event()

    def live(client: Callable[[], tuple[int, Any]]) -> None:
        while not over.wait(0.1):  # more would only cost time
            try:
                answers.append(client())
            except OSError as error:
                answers.append((0, repr(error)))

    threads = [threading.Thread(target=live, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()
