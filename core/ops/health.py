"""Check what every request needs: the database, Valkey, and applied migrations."""

from collections.abc import Callable
from functools import cache

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.cache import valkey


def failures() -> dict[str, str]:
    """Return what is not in order, each with its reason; empty if all is well."""
    found: dict[str, str] = {}
    for name, check in CHECKS.items():
        if name == "migrations" and "database" in found:
            continue  # it would wait for the dead database a second time
        try:
            check()
        except Exception as error:  # any exception means: not in order
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return found


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _valkey() -> None:
    valkey.client().ping()


@cache  # reading all migrations is slow, and tables that are up to date stay so while the process lives
def _migrations() -> None:
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise RuntimeError(f"{len(plan)} unapplied: run `python manage.py migrate`")


CHECKS: dict[str, Callable[[], None]] = {"database": _database, "valkey": _valkey, "migrations": _migrations}
