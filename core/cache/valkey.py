"""Direct access to Valkey, for atomic commands that Django's cache does not offer.

While Valkey does not answer, each use raises ``redis.RedisError``. A caller that can do without Valkey catches it and
says what it does instead; any other call is answered with a 503 (``core.api.handler``).
"""

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.cache import sentinel

CONNECT_TIMEOUT_S = 1
ANSWER_TIMEOUT_S = 2
MUTE_TIMEOUT_S = 0.1  # of a connection without answers
REST_S = 1
# Without a pause: a restarted Valkey has closed its connections. Not after a timeout.
_ONCE_MORE = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))


class ImpatientRedis(redis.Redis):
    """A client that fails at once for ``REST_S`` after a command had no answer.

    One request sends Valkey several commands: while Valkey hangs, each of them would wait for the full timeout.
    """

    _resting_until = _mute_until = 0.0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lines = threading.local()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self._impatient(super().execute_command, *args, **options)

    def execute_quickly(self, *args: Any) -> Any:
        """Execute a command over a connection that belongs to this thread, and return the plain answer.

        Problem: redis-py takes a connection from its pool, looks whether it is alive, and counts for its metrics, which
        costs three times as much processor time as the command (``benchmarks/stream.py``). For what every call of a
        lesson asks.
        """
        return self._impatient(self._on_own_line, *args)

    def _on_own_line(self, *args: Any) -> Any:
        if not hasattr(self._lines, "line"):
            self._lines.line = self.connection_pool.make_connection()
        line = self._lines.line

        def ask() -> Any:
            line.send_command(*args)  # connects if it is not connected
            return line.read_response()

        return _ONCE_MORE.call_with_retry(ask, lambda error: line.disconnect())

    def send(self, *args: Any) -> None:
        """Send a command over a connection that belongs to this thread, and wait for nothing.

        Problem: a process that waits for an answer is put to sleep and woken, which took twice the time of the command
        (``benchmarks/stream.py``). On this connection Valkey leaves its answers out. For what may be lost: a connection
        that is broken, or full because Valkey hangs, is found by the next command and given up with it.
        """
        if time.monotonic() < max(self._resting_until, self._mute_until):
            raise redis.ConnectionError("Valkey did not answer a moment ago")
        line = vars(self._lines).pop("mute", None) or self._mute_line()
        line.send_command(*args)
        self._lines.mute = line

    def _mute_line(self) -> Any:
        line: Any = self.connection_pool.make_connection()
        line.socket_timeout = line.socket_connect_timeout = MUTE_TIMEOUT_S
        try:
            line.send_command("CLIENT", "REPLY", "OFF")  # connects
        except (redis.ConnectionError, redis.TimeoutError):
            self._mute_until = time.monotonic() + REST_S
            raise
        return line

    def _impatient(self, execute: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if time.monotonic() < self._resting_until:
            raise redis.ConnectionError("Valkey did not answer a moment ago")
        try:
            return execute(*args, **options)
        except (redis.ConnectionError, redis.TimeoutError):
            self._resting_until = time.monotonic() + REST_S
            raise


@cache
def client() -> Any:
    """Return the process's one ``redis.Redis``; its connection pool is safe between threads. Values are ``bytes``.

    The type is ``Any`` because redis-py's types say of each command that it may return an awaitable.
    """
    pool = sentinel.pool_class(settings.REDIS_URL).from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        retry=_ONCE_MORE,
    )
    return ImpatientRedis(connection_pool=pool)
