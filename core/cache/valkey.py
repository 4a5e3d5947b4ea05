"""Direct access to Valkey, for atomic commands that Django's cache does not offer; and ``REDIS_URL``.

While Valkey does not answer, each use raises ``redis.RedisError``. A caller that can do without Valkey catches it and
says what it does instead; any other call is answered with a 503 (``core.api.envelope``).

Several servers are reached through their Sentinels, which know which of them is the primary now:

    sentinel://user:password@10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379/0?service=spms&sentinel_password=…

The libraries (redis-py, its asyncio half, Django, Celery) all know Sentinel, each with its own spelling; this module
reads ours and gives each what it wants. It reads no setting when it is imported, because they are made with its help.
"""

import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_TIMEOUT_S = 1
ANSWER_TIMEOUT_S = 2
REST_S = 1
# Without a pause: a restarted Valkey has closed its connections. Not after a timeout.
_ONCE_MORE = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
SCHEME = "sentinel"
DEFAULT_PORT = 26379
# Each Sentinel is asked once: by redis-py's default a dead one is tried for 8 s.
_ASKED_ONCE: dict[str, Any] = {"socket_connect_timeout": 0.5, "socket_timeout": 1, "retry": None}


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
    pool = pool_class(settings.REDIS_URL).from_url(
        settings.REDIS_URL,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        retry=_ONCE_MORE,
    )
    return ImpatientRedis(connection_pool=pool)


# --- Where it is: one server, or several with Sentinels ---
@dataclass(frozen=True)
class Primary:
    """The server that the Sentinels know under the name ``service``; one of its databases, and the login to it."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]


def is_sentinel(url: str) -> bool:
    return url.startswith(f"{SCHEME}://")


def primary(url: str) -> Primary:
    """Read a URL.

    :raises ValueError: it is not such a URL.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    if not is_sentinel(url) or parts.fragment or not query.keys() <= {"service", "sentinel_password"}:
        raise ValueError("not a sentinel:// address")
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    sentinel_password = query.get("sentinel_password")
    own = {"username": unquote(user), "password": unquote(password)}
    return Primary(
        sentinels=tuple(_host(host) for host in hosts.split(",")),
        service=query.get("service", ["mymaster"])[0],
        options={"db": int(parts.path.strip("/") or 0)} | {name: value for name, value in own.items() if value},
        sentinel_options=_ASKED_ONCE | ({"password": sentinel_password[0]} if sentinel_password else {}),
    )


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path or parts.query:
        raise ValueError("a host is missing")
    return parts.hostname, parts.port or DEFAULT_PORT


class PrimaryPool(redis.sentinel.SentinelConnectionPool):
    """Connections to the primary; every new connection asks the Sentinels which server that is."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Any:
        target = primary(url)
        sentinel = redis.sentinel.Sentinel(target.sentinels, sentinel_kwargs=target.sentinel_options)
        return cls(target.service, sentinel, **target.options, **options)


class AsyncPrimaryPool(redis.asyncio.sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """The same for asyncio; when all connections are taken, a caller waits for one."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Any:
        target = primary(url)
        sentinel = redis.asyncio.sentinel.Sentinel(target.sentinels, sentinel_kwargs=target.sentinel_options)
        return cls(target.service, sentinel, **target.options, **options)


def pool_class(url: str) -> type[redis.ConnectionPool]:
    return PrimaryPool if is_sentinel(url) else redis.ConnectionPool


def async_pool_class(url: str) -> type[redis.asyncio.ConnectionPool]:
    return AsyncPrimaryPool if is_sentinel(url) else redis.asyncio.BlockingConnectionPool


def broker(url: str) -> tuple[str, dict[str, Any]]:
    """Return the broker URL and the transport options for Celery."""
    if not is_sentinel(url):
        return url, {}
    target = primary(url)
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    # Each address is complete, because kombu reads login and database from the one that it tries at the moment.
    addresses = [f"{SCHEME}://{login}{at}{host}:{port}/{target.options['db']}" for host, port in target.sentinels]
    return ";".join(addresses), {"master_name": target.service, "sentinel_kwargs": target.sentinel_options}
