"""The one outgoing HTTP client for plain calls: always with a deadline and a size limit."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import BoundedSemaphore, Thread
from typing import TypeVar
from urllib.parse import urlsplit

import requests

# A server that sends a byte now and then can hold a call for ever, though nobody waits for it any more.
_slots = BoundedSemaphore(16)
_OURSELVES = {"127.0.0.1", "localhost", "::1"}
T = TypeVar("T")


class OutgoingError(Exception):
    """The other side did not give a usable answer. The text names no URL: it may hold a secret."""


class OutgoingTimeout(OutgoingError):
    """No answer in time."""


def get(url: str, *, params: dict[str, str] | None = None, timeout_s: float = 5, max_bytes: int = 1_000_000) -> bytes:
    """Fetch a body within ``timeout_s`` seconds in all, name look-up included; redirects are refused.

    :raises OutgoingError: no answer in time, an HTTP error, or more than ``max_bytes``.
    """
    try:
        return run_within(timeout_s, lambda ends_at: _body(url, params, ends_at, max_bytes), slots=_slots)
    except OutgoingError:
        raise
    except Exception as error:  # requests raises more than RequestException, above all for odd addresses
        raise OutgoingError(type(error).__name__) from None


def run_within(timeout_s: float, call: Callable[[float], T], *, slots: BoundedSemaphore) -> T:
    """Run ``call(ends_at)`` and stop waiting for it after ``timeout_s``; ``ends_at`` is a ``time.monotonic()``.

    :param slots: bounds how many calls may be under way, those that nobody waits for any more included.
    :raises OutgoingTimeout: no result in time; the call may still go on.
    :raises OutgoingError: no slot became free in time: nothing was done.
    """
    ends_at = time.monotonic() + timeout_s
    if not slots.acquire(timeout=timeout_s):
        raise OutgoingError("Busy")
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(call(ends_at))
        except Exception as error:
            answer.set_exception(error)
        finally:
            slots.release()

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
                raise OutgoingError(f"HTTP {answer.status_code}")
            return _read(answer, ends_at, max_bytes)


def _read(answer: requests.Response, ends_at: float, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(16_384):
        body += chunk
        if len(body) > max_bytes:
            raise OutgoingError("answer too large")
        if time.monotonic() > ends_at:
            raise OutgoingError("Timeout")
    return bytes(body)
