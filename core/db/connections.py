"""Connections to PostgreSQL: those of the pool, those beside it, and how long a transaction may work and wait."""

import select
import time
from datetime import timedelta
from typing import Any

import psycopg
from django.db import connection as django_connection
from psycopg import Connection
from psycopg.errors import ConnectionTimeout, OperationalError, _WaitTimeout
from psycopg_pool import ConnectionPool

_ask = ConnectionPool.check_connection
SILENCE_S = 2.0
# The application_name of our connections: of a process that serves requests or tasks, and of a command.
SERVING, COMMAND = "spms", "spms command"
# Options that Django understands; it passes all others on to libpq.
_NOT_OF_LIBPQ = {"pool", "prepare_threshold", "server_side_binding", "isolation_level", "assume_role"}
# The usual limits are in ``config.database``.
_LIMITS = """
SELECT set_config('lock_timeout', %(ms)s, true), set_config('statement_timeout', %(ms)s, true),
    set_config('idle_in_transaction_session_timeout', %(ms)s, true)
"""


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


def connection_release() -> None:
    """Give the connection back to the pool before slow work that needs none; the next query takes one again.

    Inside a transaction it stays.
    """
    if not django_connection.in_atomic_block:
        django_connection.close()


def limits_raise(span: timedelta) -> None:
    """Raise three limits of this transaction to ``span``, each: a statement, a wait for a lock, a pause in between.

    A pause is work of ours between two statements, such as packing a large spreadsheet.
    """
    with django_connection.cursor() as cursor:
        cursor.execute(_LIMITS, {"ms": str(span // timedelta(milliseconds=1))})


# --- Beside the pool: for programs that need a session of their own ---
def direct_options() -> dict[str, str]:
    """Return the libpq parameters of our connections; ``password`` is among them."""
    ours = django_connection.settings_dict
    keys = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    options = {name: ours[key] for name, key in keys.items()}
    options |= {name: value for name, value in ours["OPTIONS"].items() if name not in _NOT_OF_LIBPQ}
    options["application_name"] = COMMAND
    return {name: str(value) for name, value in options.items() if value}


def connection_refusal() -> str:
    """Return why PostgreSQL refuses us: the pool knows only that it has waited. Else ""."""
    options: Any = direct_options()
    try:
        psycopg.connect(**options).close()
    except psycopg.Error as error:
        return " ".join(str(error).split())[:300]
    return ""
