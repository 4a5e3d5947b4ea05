"""The outgoing HTTP client: every call has a deadline and a size limit."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import BoundedSemaphore, Thread
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
import structlog
from django.db import connection

from core.upstreams import OutgoingError, Upstream, UpstreamRefused, spending, time_left

__all__ = ["OutgoingError", "OutgoingTimeout", "ServerFailed", "UpstreamRefused", "exchange", "get", "run_within"]

log = structlog.get_logger("core.http")
# A server that sends one byte now and then can keep a call's thread for ever after the caller has given up. So many
# such threads may exist.
_under_way = BoundedSemaphore(128)
_OURSELVES = {"127.0.0.1", "localhost", "::1"}
CONNECT_S = 3  # of each address of a server: where the first one is dead, the next one gets its turn
T = TypeVar("T")


class Answer(NamedTuple):
    status_code: int
    headers: Mapping[str, str]
    body: bytes


class OutgoingTimeout(OutgoingError):
    """No answer in time."""


class ServerFailed(OutgoingError):
    """A failure of the server's own: HTTP 5xx."""


def get(
    url: str,
    *,
    upstream: Upstream,
    params: dict[str, str] | None = None,
    timeout_s: float = 5,
    max_bytes: int = 1_000_000,
) -> bytes:
    """Fetch a body within ``timeout_s`` seconds in all, name look-up included; redirects are refused.

    :raises UpstreamRefused: nothing was sent.
    :raises OutgoingError: no answer in time, an HTTP error, or more than ``max_bytes``.
    """
    answer = exchange("GET", url, upstream=upstream, total_s=timeout_s, max_bytes=max_bytes, params=params)
    if answer.status_code != 200:
        raise OutgoingError(f"HTTP {answer.status_code}")
    return answer.body


def exchange(method: str, url: str, *, upstream: Upstream, total_s: float, max_bytes: int, **options: Any) -> Answer:
    """Send a request; return its answer, whatever the status, read whole within ``total_s`` seconds in all.

    :param options: more arguments of ``requests``, such as ``headers``.
    :raises UpstreamRefused: nothing was sent.
    :raises OutgoingError: there is no whole answer.
    """
    address = urlsplit(url)

    def call(ends_at: float) -> Answer:
        with requests.Session() as session:
            # Calls to this machine's sandbox bypass the proxy of the environment, which cannot reach it.
            session.trust_env = address.hostname not in _OURSELVES
            wait_s = max(0.001, ends_at - time.monotonic())
            with session.request(
                method, url, timeout=(min(CONNECT_S, wait_s), wait_s), stream=True, allow_redirects=False, **options
            ) as response:
                return Answer(response.status_code, response.headers, _read_body(response, ends_at, max_bytes))

    target = f"{method} {address.path}"
    try:
        return run_within(upstream, total_s, call, works=lambda answer: answer.status_code < 500, target=target)
    except OutgoingError:
        raise
    except requests.Timeout:  # requests' own timeout can come a moment before ours
        raise OutgoingTimeout("Timeout") from None
    except Exception as error:  # for odd addresses requests raises other errors than RequestException
        raise OutgoingError(type(error).__name__) from None


def run_within(
    upstream: Upstream,
    timeout_s: float,
    call: Callable[[float], T],
    *,
    works: Callable[[T], bool] = lambda _: True,
    target: str = "",
) -> T:
    """Run ``call(ends_at)`` and stop waiting for it after ``timeout_s``; ``ends_at`` is a ``time.monotonic()``.

    If a person waits, the time may be shorter or the call refused. The database connection goes back to the pool
    meanwhile, so do not call this inside a transaction.

    :param target: method and path for the log line; no query, because some hold a secret or an openid.
    :param works: tells from the result whether the server is alive; a server that is not may be left alone for a while.
    :raises UpstreamRefused: nothing was sent.
    :raises OutgoingTimeout: no result in time; the call may still go on in its thread.
    """
    began, outcome = time.monotonic(), "answered"
    try:
        with upstream.slot():
            timeout_s = time_left(timeout_s)
            if not timeout_s:
                raise OutgoingTimeout("no time left")
            try:
                with spending():
                    result = _run(timeout_s, call)
            except Exception as error:
                upstream.report(works=not isinstance(error, _DEAD))
                raise
            upstream.report(works=works(result))
            outcome = str(getattr(result, "status_code", outcome))
            return result
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        took_ms = round((time.monotonic() - began) * 1000, 1)
        log.info("upstream call", upstream=upstream.name, target=target, outcome=outcome, took_ms=took_ms)


_DEAD = (OutgoingTimeout, ServerFailed, requests.RequestException, OSError)


def _run(timeout_s: float, call: Callable[[float], T]) -> T:
    if not connection.in_atomic_block:
        connection.close()
    ends_at = time.monotonic() + timeout_s
    if not _under_way.acquire(timeout=timeout_s):
        raise OutgoingError("Busy")
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(call(ends_at))
        except Exception as error:
            result.set_exception(error)
        finally:
            _under_way.release()

    # The call runs in a thread of its own: the timeout of requests starts again with every byte, so a slow server
    # could hold the caller for minutes.
    Thread(target=run, daemon=True).start()
    try:
        return result.result(max(0, ends_at - time.monotonic()))
    except FutureTimeout:
        raise OutgoingTimeout("Timeout") from None


def _read_body(response: requests.Response, ends_at: float, max_bytes: int) -> bytes:
    """Read a response's body, opened with ``stream=True``.

    :param ends_at: a ``time.monotonic()``.
    :raises OutgoingError: the body is longer than ``max_bytes``, or has not ended at ``ends_at``.
    """
    body = bytearray()
    for chunk in response.iter_content(16_384):
        body += chunk
        if len(body) > max_bytes:
            raise OutgoingError("answer too large")
        if time.monotonic() > ends_at:
            raise OutgoingTimeout("Timeout")
    return bytes(body)
