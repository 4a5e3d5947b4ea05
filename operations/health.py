"""Check what requests need: the database, applied migrations, and Valkey."""

from collections.abc import Callable, Collection
from functools import cache

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.cache import valkey


def failures(names: Collection[str] = ("database", "migrations", "valkey")) -> dict[str, str]:
    """Return which of the checks ``names`` fail, each with its reason; empty if all is well."""
    faults: dict[str, str] = {}
    for name in names:
        if name == "migrations" and "database" in faults:
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


# Without these a process serves nothing; without Valkey orders and logins go on.
NEEDED = ("database", "migrations")
CHECKS: dict[str, Callable[[], object]] = {
    "database": _database,
    "valkey": lambda: valkey.client().ping(),
    "migrations": _migrations,
}
