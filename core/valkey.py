"""Direct access to Valkey, for what Django's cache cannot say atomically."""

from functools import cache

import redis
from django.conf import settings

CONNECT_TIMEOUT_S = 1
ANSWER_TIMEOUT_S = 2


@cache
def client() -> redis.Redis:
    """One client per process; its connection pool is safe between threads. Values are ``bytes``."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=ANSWER_TIMEOUT_S
    )
