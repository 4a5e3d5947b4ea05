"""What happens when Valkey or PostgreSQL is down: the call is answered with a 503, and nothing is half done.

Unless the caller can do without Valkey and catches ``redis.RedisError``: limits, for example, then do not count.
``tests/long/test_engines_fail.py`` shows all of it.
"""

import errno

import redis
from django.db import Error, InterfaceError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import PoolTimeout

ENGINE_DOWN = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    # Valkey answers, but takes no writes: its memory is full, or it is a standby now.
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
)


def engine_is_down(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL or Valkey does not answer, or takes no writes for now, or our own disk is full."""
    if isinstance(error, ENGINE_DOWN):
        return True
    if isinstance(error, redis.exceptions.ResponseError):
        return str(error).startswith("MISCONF")  # Valkey cannot save: its disk is full
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True  # a large upload waits in a temporary file
    # A primary that has become a standby; Django knows only that it is an InternalError.
    return isinstance(error, Error) and isinstance(error.__cause__, ReadOnlySqlTransaction)
