"""The HTTP session for WeChat Pay: one deadline for the whole call, a size limit, no redirects."""

from typing import Any
from urllib.parse import urlsplit

import requests

from core.http import OutgoingError, OutgoingTimeout, UpstreamRefused, read_body, run_within
from core.upstreams import Upstream
from payments.gateways.base import GatewayBusy, GatewayTimeout, GatewayUnreachable

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 6
TOTAL_TIMEOUT_S = 8  # what the two above do not bound: an answer that trickles
MAX_BYTES = 256 * 1024
USER_AGENT = "student-project-manager/1.0"

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
UPSTREAM = Upstream("wechat_pay")


class BoundedSession(requests.Session):
    """A session for one call (requests promises no thread safety); its answers are read whole, or not at all.

    :param total_s: how long the call may take in all.
    :param max_bytes: how long its answer may be.
    :raises GatewayBusy, GatewayTimeout, GatewayUnreachable: in place of what requests raises.
    """

    def __init__(self, *, total_s: float | None = None, max_bytes: int | None = None) -> None:
        super().__init__()
        self._total_s, self._max_bytes = total_s or TOTAL_TIMEOUT_S, max_bytes or MAX_BYTES

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        # Calls to this machine's sandbox bypass the proxy of the environment, which cannot reach it.
        self.trust_env = urlsplit(url).hostname not in _LOOPBACK
        options |= {"timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S), "stream": True, "allow_redirects": False}
        send = super().request

        def call(ends_at: float) -> requests.Response:
            with send(method, url, **options) as answer:
                answer._content = read_body(answer, ends_at, self._max_bytes)
                return answer

        try:
            return run_within(
                UPSTREAM,
                self._total_s,
                call,
                works=lambda answer: answer.status_code < 500,
                target=f"{method.upper()} {urlsplit(url).path}",
            )
        except UpstreamRefused as refused:
            raise GatewayBusy(refused) from None
        except (requests.Timeout, OutgoingTimeout) as error:
            raise GatewayTimeout(type(error).__name__) from None
        except OutgoingError as error:
            raise GatewayUnreachable(str(error)) from None
        except Exception as error:
            # requests raises more than its own exceptions; the text would hold the address, and is long.
            raise GatewayUnreachable(type(error).__name__) from None
