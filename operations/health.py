"""What machines ask: whether this process lives, can serve, lacks anything."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, lru_cache
from threading import Lock

import structlog
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse

from core.api.envelope import error_response, ok
from core.cache import valkey
from core.db.connections import WatchedConnection
from core.errors import DomainError
from core.observe import heartbeat
from operations.locks import locks
from uploads.store import is_bucket, store_try

log = structlog.get_logger("operations")
TRY_EVERY_S = 10
READY_WITHIN_S = 0.8


def failures(names: Collection[str] = ("database", "migrations", "valkey")) -> dict[str, str]:
    """Return which of the checks ``names`` fail, each with its reason; empty if all is well."""
    faults: dict[str, str] = {}
    for name in names:
        if name in ("migrations", "locks") and "database" in faults:
            continue  # it would wait for the dead database a second time
        try:
            CHECKS[name]()
        except Exception as error:  # any exception means: not in order
            faults[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return faults


_looks, _turn = ThreadPoolExecutor(1, "readiness"), Lock()
_look: "Future[dict[str, str]]" = Future()
_look.set_result({})


def readiness() -> dict[str, str]:
    """Return why this process cannot serve, within a second also while PostgreSQL is gone or frozen; empty if it can.

    Without Valkey orders and logins go on. The pool waits longer for a connection, and a load balancer does not. So
    look in a thread of its own, one at a time, which all who ask meanwhile share. A process whose connections are all
    in use is not taken for a dead one.
    """
    global _look
    with _turn:
        if _look.done():
            _look = _looks.submit(_look_at_database)
        look = _look
    try:
        faults = look.result(READY_WITHIN_S)
    except TimeoutError:
        faults = {"database": f"Silence: no answer within {READY_WITHIN_S} s"}
    if faults and time.monotonic() - WatchedConnection.answered_at <= READY_WITHIN_S:
        return {}  # it answers others
    return faults or failures(["migrations"])


def _look_at_database() -> dict[str, str]:
    try:
        return failures(["database"])
    finally:
        connection.close()


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@cache  # reading all migrations is slow, and tables that are up to date stay so while the process lives
def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise RuntimeError(f"{len(plan)} unapplied: run `python manage.py migrate`")


class LockHeld(Exception):
    """Others wait for a lock; the text names who holds it."""


def _locks() -> None:
    for finding in locks():
        raise LockHeld(finding.what)


@lru_cache(1)
def _pictures(turn: int) -> None:
    """Try a folder once in a ``turn``: strangers may ask, too. A failure is not remembered."""
    if not is_bucket():  # of a bucket the doctor knows
        store_try()


CHECKS: dict[str, Callable[[], object]] = {
    "database": _database,
    "valkey": lambda: valkey.client().set("spms:health", "", ex=60),  # a full one, or a replica, answers a ping
    "migrations": _migrations,
    "locks": _locks,
    "pictures": lambda: _pictures(int(time.monotonic() / TRY_EVERY_S)),
}


# --- Addresses -------------------------------------------------------------------------------------
def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process runs (liveness), and say to the doctor how many proxies were on the way."""
    answer = ok("ok")
    answer["X-Proxies"] = str(sum(map(bool, request.META.get("HTTP_X_FORWARDED_FOR", "").split(","))))
    return answer


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process can serve, that is, if its database answers, else 503 (readiness; for balancers)."""
    return _health(readiness())


def whole(request: HttpRequest) -> HttpResponse:
    """Answer 200 if nothing is missing, workers and Valkey too, else 503 (for people and alerts, not for balancers)."""
    return _health(failures(CHECKS) | heartbeat.failures())


def _health(faults: dict[str, str]) -> HttpResponse:
    if faults:
        log.warning("not healthy", **faults)
        # Strangers may ask, so the engines' addresses and our user name only go into the log.
        public = {name: why if name == "migrations" else why.partition(":")[0] for name, why in faults.items()}
        return error_response(DomainError("尚未就绪", status=503, http_status=503, checks=public))
    return ok("ok")
