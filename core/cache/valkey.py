"""Direct access to Valkey, for atomic commands that Django's cache does not offer.

While Valkey does not answer, each use raises ``redis.RedisError``. A caller that can do without Valkey catches it and
says what it does instead; any other call is answered with a 503 (``core.api.handler``).
"""

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

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self._resting_until:
            raise redis.ConnectionError("Valkey did not answer a moment ago")
        try:
            return super().execute_command(*args, **options)
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
        # Try once more, without a pause: a restarted Valkey has closed the pooled connections. Not after a timeout.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return ImpatientRedis(connection_pool=pool)
