"""Is everything there that a request needs?"""

from collections.abc import Callable
from functools import cache

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.cache import valkey


def failures() -> dict[str, str]:
    """Name what is not in order and why; empty when all is well."""
    found: dict[str, str] = {}
    for name, check in CHECKS.items():
        if name == "migrations" and "database" in found:
            continue  # it would only wait for the database once more
        try:
            check()
        except Exception as error:  # whatever it is, it is the answer
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return found


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _valkey() -> None:
    valkey.client().ping()


@cache  # a process whose tables are up to date stays so: reading all migrations takes a while
def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise RuntimeError(f"{len(plan)} unapplied: run `python manage.py migrate`")


CHECKS: dict[str, Callable[[], None]] = {"database": _database, "valkey": _valkey, "migrations": _migrations}
