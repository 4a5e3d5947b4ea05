"""One HTTP call to WeChat Pay: one deadline for the whole call, a size limit, no redirects."""

from collections.abc import Mapping
from typing import NamedTuple
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


class Answer(NamedTuple):
    status_code: int
    headers: Mapping[str, str]
    body: bytes


def send(
    method: str, url: str, *, headers: dict[str, str], body: str = "", total_s: float = 0, max_bytes: int = 0
) -> Answer:
    """Send a request and return the answer, read whole.

    :param total_s, max_bytes: how long the call may take in all and its answer may be, if not as usual.
    :raises GatewayBusy, GatewayTimeout, GatewayUnreachable: there is no whole answer.
    """
    place = urlsplit(url)

    def call(ends_at: float) -> Answer:
        with requests.Session() as session:
            # Calls to this machine's sandbox bypass the proxy of the environment, which cannot reach it.
            session.trust_env = place.hostname not in _LOOPBACK
            with session.request(
                method,
                url,
                data=body.encode() or None,
                headers=headers | {"User-Agent": USER_AGENT},
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
                stream=True,
                allow_redirects=False,
            ) as answer:
                return Answer(answer.status_code, answer.headers, read_body(answer, ends_at, max_bytes or MAX_BYTES))

    try:
        return run_within(
            UPSTREAM,
            total_s or TOTAL_TIMEOUT_S,
            call,
            works=lambda answer: answer.status_code < 500,
            target=f"{method} {place.path}",
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
