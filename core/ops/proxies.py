"""Check of ``manage.py doctor``: does TRUSTED_PROXIES fit the requests that arrive?"""

from collections.abc import Iterator
from ipaddress import ip_address

from django.conf import settings

from core.cache import valkey
from core.observe import forwarded
from core.ops import doctor
from core.ops.doctor import Finding


@doctor.register_check
def trusted_proxies() -> Iterator[Finding]:
    hops, _, sender = (valkey.client().get(forwarded.KEY) or b"").decode().partition(" ")
    if not hops or forwarded.fits(int(hops)):
        return
    # A request from a private address has passed a proxy of ours, so the setting is wrong. From any other address a
    # client may have sent the header itself, so it is only a note.
    is_ours = settings.PRODUCTION and _is_private(sender)
    yield Finding(
        False if is_ours else None,
        f"A request from {sender} came with X-Forwarded-For of {hops} address(es), TRUSTED_PROXIES is "
        f"{settings.TRUSTED_PROXIES}",
        "Set TRUSTED_PROXIES to the number of proxies before us: limits and logs go by the proxy's address now."
        + ("" if is_ours else " Without a proxy, leave it: somebody sent that header himself."),
    )


def _is_private(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return False
