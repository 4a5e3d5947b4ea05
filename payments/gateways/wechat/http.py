"""One HTTP call to WeChat Pay: one deadline for the whole call, a size limit, no redirects."""

from core.http import Answer, OutgoingError, OutgoingTimeout, UpstreamRefused, exchange
from core.upstreams import Upstream
from payments.errors import ProviderBusy, ProviderDown, ProviderTimeout

TOTAL_TIMEOUT_S = 8
MAX_BYTES = 256 * 1024
USER_AGENT = "student-project-manager/1.0"
UPSTREAM = Upstream("wechat_pay")


def send(
    method: str, url: str, *, headers: dict[str, str], body: str = "", total_s: float = 0, max_bytes: int = 0
) -> Answer:
    """Send a request and return the answer, read whole.

    :param total_s, max_bytes: how long the call may take in all and its answer may be, if not as usual.
    :raises ProviderBusy, ProviderTimeout, ProviderDown: there is no whole answer.
    """
    try:
        return exchange(
            method,
            url,
            upstream=UPSTREAM,
            total_s=total_s or TOTAL_TIMEOUT_S,
            max_bytes=max_bytes or MAX_BYTES,
            headers=headers | {"User-Agent": USER_AGENT},
            data=body.encode() or None,
        )
    except UpstreamRefused as refused:
        raise ProviderBusy(str(refused), headers=refused.headers) from None
    except OutgoingTimeout as error:
        raise ProviderTimeout(str(error)) from None
    except OutgoingError as error:
        raise ProviderDown(str(error)) from None
