"""Direct access to Valkey, for what Django's cache cannot say atomically."""

import time
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_TIMEOUT_S = 1
ANSWER_TIMEOUT_S = 2
REST_S = 1


class ImpatientRedis(redis.Redis):
    """A client that has waited in vain once does not wait again for ``REST_S``.

    A request asks Valkey several times: with Valkey hanging, each would wait for the full timeout.
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
    """One ``redis.Redis`` per process; its connection pool is safe between threads. Values are ``bytes``.

    Typed as anything: its own types do not know whether a call is awaited.
    """
    return ImpatientRedis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        # Once more at once, for a connection that a restarted Valkey closed while it lay in the pool. A
        # timeout is not tried again.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
