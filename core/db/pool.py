"""The pool of database connections, and statements that are planned once."""

import select

from django.db import connection as django_connection
from django.db.backends.utils import CursorWrapper
from psycopg import Connection, Cursor
from psycopg.pq import Format
from psycopg_pool import ConnectionPool

_ask = ConnectionPool.check_connection


def look_first() -> None:
    """Have Django's pool look at a connection's socket before it asks the server whether the connection works.

    Problem: with health checks Django's pool sends an empty query before every request, which took 16 % of the
    students' list (ADR 13). Without them a connection that PostgreSQL has closed costs one request a 500.
    The plain way fails: Django writes ``ConnectionPool.check_connection`` into the pool's options itself, and a
    check of our own in ``OPTIONS["pool"]`` is refused as given twice.
    Remove this when Django takes a ``check`` from the options.
    """
    ConnectionPool.check_connection = staticmethod(connection_check)  # type: ignore[assignment, method-assign]


def connection_check(connection: Connection) -> None:
    """Raise ``OperationalError`` for a connection that the server has ended.

    Nothing comes from the server while nobody asks it anything: when there is something to read, it is the
    server's farewell, or a notice. Looking takes a microsecond, asking a round trip on every request.
    """
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    if poller.poll(0):
        _ask(connection)


def prepared_cursor() -> CursorWrapper:
    """Make a cursor that has PostgreSQL plan a statement once per connection, when it comes again and again.

    For short statements whose planning takes longer than running them. Not for ``LIKE`` and the like, where the
    best plan depends on the value; and write numbers that shape the plan, such as LIMIT, into the statement.
    """
    django_connection.ensure_connection()
    cursor = Cursor(django_connection.connection)
    cursor.format = Format.BINARY  # psycopg reads times in C then, Django's own reader is slow
    return django_connection._prepare_cursor(cursor)  # type: ignore[attr-defined]
