"""The way to WeChat Pay: a deadline in all, a size limit, no redirects."""

import time
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import urlsplit

import requests

from core.http import OutgoingTimeout, run_within
from payments.gateways.base import GatewayError, GatewayTimeout, GatewayUnreachable

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 6
TOTAL_TIMEOUT_S = 8  # what the two above do not bound: an answer that trickles
MAX_BYTES = 256 * 1024
USER_AGENT = "student-project-manager/1.0"

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_slots = BoundedSemaphore(64)


class BoundedSession(requests.Session):
    """A session for one call (requests promises no thread safety); its answers are read whole, or not at all.

    :param total_s: how long the call may take in all.
    :param max_bytes: how long its answer may be.
    :raises GatewayTimeout, GatewayUnreachable: in place of what requests raises.
    """

    def __init__(self, *, total_s: float | None = None, max_bytes: int | None = None) -> None:
        super().__init__()
        self._total_s, self._max_bytes = total_s or TOTAL_TIMEOUT_S, max_bytes or MAX_BYTES

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        # A proxy from the environment is for the world outside.
        self.trust_env = urlsplit(url).hostname not in _LOOPBACK
        options |= {"timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S), "stream": True, "allow_redirects": False}
        send = super().request

        def call(ends_at: float) -> requests.Response:
            with send(method, url, **options) as answer:
                answer._content = _read(answer, ends_at, self._max_bytes)
                return answer

        try:
            return run_within(self._total_s, call, slots=_slots)
        except GatewayError:
            raise
        except (requests.Timeout, OutgoingTimeout) as error:
            raise GatewayTimeout(type(error).__name__) from None
        except Exception as error:
            # requests raises more than its own exceptions; the text would hold the address, and is long.
            raise GatewayUnreachable(type(error).__name__) from None


def _read(answer: requests.Response, ends_at: float, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(16_384):
        body += chunk
        if len(body) > max_bytes:
            raise GatewayUnreachable("the answer is too large")
        if time.monotonic() > ends_at:
            raise GatewayTimeout("the answer trickles")
    return bytes(body)
