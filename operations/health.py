"""Check what requests need: the database, applied migrations, Valkey, the store of pictures, and nobody's lock."""

import time
from collections.abc import Callable, Collection
from functools import cache, lru_cache

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.cache import valkey
from operations.locks import lock_holders
from uploads.store import is_bucket, store_try

TRY_EVERY_S = 10


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
    for holder in lock_holders():
        raise LockHeld(holder)


@lru_cache(1)
def _pictures(turn: int) -> None:
    """Try a folder once in a ``turn``: strangers may ask, too. A failure is not remembered."""
    if not is_bucket():  # of a bucket the doctor knows
        store_try()


# Without these a process serves nothing; without Valkey orders and logins go on.
NEEDED = ("database", "migrations")
CHECKS: dict[str, Callable[[], object]] = {
    "database": _database,
    "valkey": lambda: valkey.client().ping(),
    "migrations": _migrations,
    "locks": _locks,
    "pictures": lambda: _pictures(int(time.monotonic() / TRY_EVERY_S)),
}
