"""``migrate`` while the system is in use: wait for locks in short turns, so that no request waits long behind us."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

# While we wait for a lock, every request for the same table waits behind us. It is shorter than PostgreSQL's
# deadlock_timeout (1 s), so in a deadlock it is always we who give up, and never a request.
LOCK_TURN = "800ms"
PATIENCE_S = 300
PAUSE_S = (0.5, 2.0)
_HOLDERS = """
SELECT format('pid %s (%s, for %s s): %s',
    pid, application_name, extract(epoch FROM now() - xact_start)::int, left(query, 80))
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
ORDER BY xact_start LIMIT 3
"""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with_short_locks(lambda: super(Command, self).handle(*args, **options), alias=options["database"])


def with_short_locks(work: Callable[[], object], *, alias: str = "default", patience_s: float = PATIENCE_S) -> None:
    """Do ``work`` again and again until it gets its locks. What it has committed must not be done twice.

    :raises CommandError: a lock was not free in ``patience_s``; it names the statement and who holds locks.
    """
    connection = connections[alias]
    last_statement = ""

    def remember(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal last_statement
        last_statement = sql
        return execute(sql, *rest)

    give_up_at = time.monotonic() + patience_s
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = %s", [LOCK_TURN])
    try:
        while True:
            try:
                with connection.execute_wrapper(remember):
                    work()
                    return
            except OperationalError as error:
                if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                    raise
                if time.monotonic() > give_up_at:
                    with connection.cursor() as cursor:
                        cursor.execute(_HOLDERS)
                        holders = "; ".join(line for (line,) in cursor.fetchall()) or "it has gone by now"
                    raise CommandError(
                        f"No lock for {patience_s:.0f} s, wanted by: {last_statement[:200]}\n"
                        f"Open transactions: {holders}\n"
                        "End them or wait for them, then run the same command again; it goes on where it stopped."
                    ) from error
            time.sleep(random.uniform(*PAUSE_S))  # noqa: S311
    finally:
        with suppress(OperationalError), connection.cursor() as cursor:  # it may be the connection that failed
            cursor.execute("RESET lock_timeout")
