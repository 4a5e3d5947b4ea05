"""Real web processes on the test database, and many clients at once."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connection

from core.ops import units

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 90
THREADS = 8
ANSWER_TIMEOUT_S = 60  # as nginx waits in production


def database_url() -> str:
    """The test database, as another process reaches it."""
    facts = connection.settings_dict
    user = facts["USER"] + (f":{quote(facts['PASSWORD'])}" if facts["PASSWORD"] else "")
    host = facts["HOST"]
    if host.startswith("/"):
        return f"postgresql://{user}@/{facts['NAME']}?host={quote(host, safe='/')}"
    return f"postgresql://{user}@{host}:{facts['PORT'] or 5432}/{facts['NAME']}"


@contextmanager
def web_processes(
    ports: list[int], target: str = "config.wsgi:application", threads: int | None = THREADS, **environ: str
) -> Iterator[list[int]]:
    """Run one granian process per port; they share nothing but PostgreSQL and Valkey.

    :param threads: of each process; None for as many as in production.
    """
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SECRET_KEY": settings.SECRET_KEY,
        "LOG_LEVEL": "ERROR",
    }
    running = [_start(port, target, threads, env | environ) for port in ports]
    try:
        for port, process in zip(ports, running, strict=True):
            _wait_until_it_answers(port, process)
        yield ports
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(port: int, target: str, threads: int | None, env: dict[str, str]) -> subprocess.Popen:
    argv = units.command("web", "--port", str(port), "--workers", "1")
    argv += ["--blocking-threads", str(threads)] if threads else []
    argv = [target if word == "config.wsgi:application" else word for word in argv]
    env |= units.environment("web") | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(argv, cwd=ROOT, env=env, start_new_session=True)


def _wait_until_it_answers(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return ask(port, "GET", "/category/getCategory") and None
        except OSError:
            assert process.poll() is None, "the web process ended"
            assert time.monotonic() < until, "the web process does not answer"
            time.sleep(0.05)


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
