"""Direct access to Valkey, for atomic commands that Django's cache does not offer.

While Valkey does not answer, each use raises ``redis.RedisError``. A caller that can do without Valkey catches it and
says what it does instead; any other call is answered with a 503 (``core.api.outages``).
"""

import os
import threading
import time
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.cache import sentinel

CONNECT_TIMEOUT_S = 1
ANSWER_TIMEOUT_S = 2
REST_S = 1


class ImpatientRedis(redis.Redis):
    """A client that fails at once for ``REST_S`` after a command had no answer.

    One request sends Valkey several commands: while Valkey hangs, each of them would wait for the full timeout.
    """

    _resting_until = 0.0
    lost_at = 0.0  # when a command last had no answer

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self.require_awake()
        try:
            return super().execute_command(*args, **options)
        except (redis.ConnectionError, redis.TimeoutError):
            self.rest()
            raise

    def require_awake(self) -> None:
        if time.monotonic() < self._resting_until:
            raise redis.ConnectionError("Valkey did not answer a moment ago")

    def rest(self) -> None:
        self.lost_at = time.monotonic()
        self._resting_until = self.lost_at + REST_S


@cache
def client() -> Any:
    """Return the process's one ``redis.Redis``; its connection pool is safe between threads. Values are ``bytes``.

    The type is ``Any`` because redis-py's types say of each command that it may return an awaitable.
    """
    pool = sentinel.pool_class(settings.REDIS_URL).from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        # Try once more, without a pause: a restarted Valkey has closed the pooled connections. Not after a timeout.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return ImpatientRedis(connection_pool=pool)


class _Kept(threading.local):
    """The connection that this thread keeps for :func:`values`, and the pool whose settings it has."""

    pool: Any = None
    connection: Any = None
    made_at = 0.0


_kept = _Kept()


def values(*keys: str) -> list[bytes | None]:
    """Read several keys at once, as ``client().mget`` does.

    Problem: every call of the API reads its caller, and redis-py's layers (a pool, retries, metrics) take three times
    as long as the command itself. So each thread keeps a connection of redis-py's and sends the command over it. A
    connection that has worked before and fails now is one that a restart of Valkey has closed: then redis-py asks.
    Once a server was silent no thread uses its connection to it again: each would wait for the full timeout.
    ``mget`` can take its place again when it costs little more than the command.

    :raises redis.RedisError: Valkey does not answer, or refuses.
    """
    server = client()
    server.require_awake()
    pool = server.connection_pool
    # The connection is kept again only after a complete answer: whatever goes wrong, nobody can read another's answer.
    connection, _kept.connection = _kept.connection, None
    is_new = connection is None or _kept.pool is not pool or _kept.made_at <= server.lost_at
    try:
        if is_new:
            _kept.made_at = time.monotonic()
            connection = pool.connection_class(**pool.connection_kwargs)
            connection.connect()  # asks the Sentinels for the primary, which sending does not
        connection.send_command("MGET", *keys)
        found = connection.read_response()
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if is_new or isinstance(error, redis.TimeoutError):
            server.rest()
            raise
        return server.mget(keys)
    _kept.pool, _kept.connection = pool, connection
    return found


def _forget_kept() -> None:
    _kept.connection = None


os.register_at_fork(after_in_child=_forget_kept)  # a parent and its child must not share a connection
