"""``manage.py doctor``: would WeChat Pay take our calls, and could it reach us?"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from django.conf import settings

from core.doctor import Finding

# A question that changes nothing: nobody has this number, and only who may ask is told so.
NOBODYS_NUMBER = "00000000000000000000000DOCTOR"


def wechat_pay() -> Iterator[Finding]:
    from payments.gateways.wechat import gateway_v2, gateway_v3, merchant

    yield _ask("WeChat Pay v2", gateway_v2, "Check WECHAT_APP_ID, WECHAT_PAY_MCH_ID and WECHAT_PAY_API_KEY.")
    if merchant().has_v3:
        yield _ask("WeChat Pay v3", gateway_v3, "Check the WECHAT_PAY_* values of v3 and their files.")
    else:
        yield Finding(False, "WeChat Pay v3 is not configured: refunds wait", "Set the WECHAT_PAY_* values of v3.")
    yield _reachable()


def _ask(name: str, gateway: Callable, remedy: str) -> Finding:
    from payments.gateways.base import GatewayError, OrderUnknown

    try:
        gateway().query(NOBODYS_NUMBER)
    except OrderUnknown:
        return Finding(True, f"{name} takes our signature, and we take its")
    except GatewayError as error:
        return Finding(False, f"{name}: {type(error).__name__} {error.code} {error.message}", remedy)
    return Finding(False, f"{name} knows an order that nobody placed", "Is WECHAT_PAY_BASE_URL right?")


def _reachable() -> Finding:
    ours = urlsplit(settings.PUBLIC_BASE_URL)
    where = f"Notifications are to come to {settings.PUBLIC_BASE_URL}/pay/payResult and /pay/notify"
    if settings.SANDBOX:
        return Finding(None, where)
    if ours.scheme != "https" or ours.hostname in {"127.0.0.1", "localhost", "::1"}:
        return Finding(False, where, "WeChat needs a public https address in PUBLIC_BASE_URL.")
    return Finding(True, where)
