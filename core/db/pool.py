"""The pool of database connections, and statements that are planned once."""

import select
import time
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections
from django.db import connection as django_connection
from psycopg import Connection, Cursor
from psycopg.errors import ConnectionTimeout, OperationalError, _WaitTimeout
from psycopg.pq import Format
from psycopg_pool import ConnectionPool

_ask = ConnectionPool.check_connection
SILENCE_S = 2.0


class WatchedConnection(Connection[Any]):
    """A connection that does not wait for a server that is frozen.

    Problem: the kernel of a server whose PostgreSQL hangs still acknowledges packets, so no timeout of TCP ends, and
    ``statement_timeout`` is the server's own. Requests waited for as long as it hung.
    The plain way fails: a limit of a few seconds for every statement would end long ones that are at work. So after
    ``SILENCE_S`` ask by a new connection whether the server answers at all.
    """

    answered_at = 0.0  # when a server last said anything to this process, by the monotonic clock

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Called by psycopg for all that the server is asked.

        :raises OperationalError: the server is silent; the connection is closed.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        while True:
            try:
                result = super().wait(gen, interval, SILENCE_S)
            except _WaitTimeout:
                self._require_answer()
            else:
                WatchedConnection.answered_at = time.monotonic()
                return result

    def _require_answer(self) -> None:
        # Of several hosts ask the one that we wait for, whatever it is now.
        own = {"host": self.info.host, "port": str(self.info.port), "hostaddr": "", "target_session_attrs": "any"}
        own |= {"password": self.info.password, "connect_timeout": "2"}
        try:
            psycopg.connect(**self.info.get_parameters() | own).close()  # type: ignore[arg-type]
        except ConnectionTimeout:
            self.pgconn.finish()
            raise OperationalError("the server does not answer") from None
        except OperationalError:
            pass  # a refusal is an answer, too


def look_first() -> None:
    """Have Django's pool look at a connection's socket before it asks the server whether the connection works.

    Problem: with health checks Django's pool sends an empty query before every request, which took 16 % of the
    students' list (ADR 13). Without them a connection that PostgreSQL has closed costs one request a 500.
    The plain way fails: Django passes ``check=ConnectionPool.check_connection`` itself, so a ``check`` of our own in
    ``OPTIONS["pool"]`` is a keyword argument given twice.
    Remove this when Django takes a ``check`` from the options.
    """
    ConnectionPool.check_connection = staticmethod(connection_check)  # type: ignore[assignment, method-assign]


def connection_check(connection: Connection) -> None:
    """Check a pooled connection: ask the server only if its socket has something to read.

    An idle server sends nothing by itself but a notice, or the message that it ends the connection. Looking at the
    socket takes a microsecond; asking the server takes a round trip in every request.

    :raises OperationalError: the server has ended the connection.
    """
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    if poller.poll(0):
        _ask(connection)


def prepared_rows(sql: str, values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that PostgreSQL plans once per connection.

    Use it for short statements whose planning takes longer than their execution. Do not use it where the best plan
    depends on a parameter, as with ``LIKE``; and write numbers that shape the plan, such as LIMIT, into the statement.
    """
    try:
        return _rows(sql, values)
    except NotSupportedError:
        # A migration has changed a column's type, and PostgreSQL refuses plans from before. Inside a transaction
        # nothing can be repeated, and psycopg forgets its plans at the rollback. Outside one, run the statement on a
        # new connection, which has no plans.
        if django_connection.in_atomic_block:
            raise
        django_connection.connection.close()
        django_connection.close()
        return _rows(sql, values, prepare=False)


def _rows(sql: str, values: Any, prepare: bool | None = None) -> list[tuple[Any, ...]]:
    connection: Any = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    cursor = Cursor(connection.connection)
    cursor.format = Format.BINARY  # psycopg then reads times in C; Django's own reader is slow
    with connection._prepare_cursor(cursor) as wrapper:
        if prepare is None:
            wrapper.execute(sql, values)
        else:
            with connection.wrap_database_errors:
                cursor.execute(sql, values, prepare=prepare)
        return wrapper.fetchall()
