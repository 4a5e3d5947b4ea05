"""The one outgoing HTTP client for plain calls: always with a deadline and a size limit."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import BoundedSemaphore, Thread
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from django.db import connection

from core.upstreams import OutgoingError, Upstream, UpstreamRefused, time_left

__all__ = ["OutgoingError", "OutgoingTimeout", "ServerFailed", "UpstreamRefused", "get", "read_body", "run_within"]

# A server that sends a byte now and then can hold a call for ever, though nobody waits for it any more.
_under_way = BoundedSemaphore(128)
_OURSELVES = {"127.0.0.1", "localhost", "::1"}
T = TypeVar("T")


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
    try:
        return run_within(upstream, timeout_s, lambda ends_at: _body(url, params, ends_at, max_bytes))
    except OutgoingError:
        raise
    except requests.Timeout:  # of the connection or of a part, a moment before ours of the whole
        raise OutgoingTimeout("Timeout") from None
    except Exception as error:  # requests raises more than RequestException, above all for odd addresses
        raise OutgoingError(type(error).__name__) from None


def run_within(
    upstream: Upstream, timeout_s: float, call: Callable[[float], T], *, works: Callable[[T], bool] = lambda _: True
) -> T:
    """Run ``call(ends_at)`` and stop waiting for it after ``timeout_s``; ``ends_at`` is a ``time.monotonic()``.

    Where somebody waits, it may be less time, or no room. Not inside a transaction: the database connection is given
    back meanwhile.

    :param works: whether the server answered as one that is alive.
    :raises UpstreamRefused: nothing was sent.
    :raises OutgoingTimeout: no result in time; the call may still go on.
    """
    with upstream.room():
        timeout_s = time_left(timeout_s)
        if not timeout_s:
            raise OutgoingTimeout("no time left")
        try:
            answer = _run(timeout_s, call)
        except Exception as error:
            upstream.report(works=not isinstance(error, _DEAD))
            raise
        upstream.report(works=works(answer))
        return answer


_DEAD = (OutgoingTimeout, ServerFailed, requests.RequestException, OSError)


def _run(timeout_s: float, call: Callable[[float], T]) -> T:
    if not connection.in_atomic_block:
        connection.close()
    ends_at = time.monotonic() + timeout_s
    if not _under_way.acquire(timeout=timeout_s):
        raise OutgoingError("Busy")
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call(ends_at))
        except Exception as error:
            answer.set_exception(error)
        finally:
            _under_way.release()

    # In a thread of its own, because a timeout of requests counts from one byte to the next.
    Thread(target=run, daemon=True).start()
    try:
        return answer.result(max(0, ends_at - time.monotonic()))
    except FutureTimeout:
        raise OutgoingTimeout("Timeout") from None


def _body(url: str, params: dict[str, str] | None, ends_at: float, max_bytes: int) -> bytes:
    with requests.Session() as session:
        # A proxy that the environment names cannot reach our own sandbox.
        session.trust_env = urlsplit(url).hostname not in _OURSELVES
        wait_s = max(0.001, ends_at - time.monotonic())
        with session.get(url, params=params, timeout=wait_s, stream=True, allow_redirects=False) as answer:
            if answer.status_code != 200:
                kind = ServerFailed if answer.status_code >= 500 else OutgoingError
                raise kind(f"HTTP {answer.status_code}")
            return read_body(answer, ends_at, max_bytes)


def read_body(answer: requests.Response, ends_at: float, max_bytes: int) -> bytes:
    """:raises OutgoingError: it is longer than ``max_bytes``, or goes on beyond ``ends_at``."""
    body = bytearray()
    for chunk in answer.iter_content(16_384):
        body += chunk
        if len(body) > max_bytes:
            raise OutgoingError("answer too large")
        if time.monotonic() > ends_at:
            raise OutgoingTimeout("Timeout")
    return bytes(body)
