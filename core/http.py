"""The one outgoing HTTP client for plain calls: always with a deadline and a size limit."""

import time

import requests


class OutgoingError(Exception):
    """The other side did not give a usable answer. The text names no URL: it may hold a secret."""


def get(url: str, *, params: dict[str, str] | None = None, timeout_s: float = 5, max_bytes: int = 1_000_000) -> bytes:
    """Fetch a body within ``timeout_s`` seconds in all, redirects refused.

    :raises OutgoingError: no answer in time, an HTTP error, or more than ``max_bytes``.
    """
    ends_at = time.monotonic() + timeout_s
    try:
        with requests.get(url, params=params, timeout=timeout_s, stream=True, allow_redirects=False) as answer:
            if answer.status_code != 200:
                raise OutgoingError(f"HTTP {answer.status_code}")
            return _read(answer, ends_at, max_bytes)
    except requests.RequestException as error:
        raise OutgoingError(type(error).__name__) from None


def _read(answer: requests.Response, ends_at: float, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(16_384):
        body += chunk
        if len(body) > max_bytes:
            raise OutgoingError("answer too large")
        if time.monotonic() > ends_at:  # a timeout of requests counts from one byte to the next
            raise OutgoingError("Timeout")
    return bytes(body)
