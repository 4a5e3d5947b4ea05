"""WeChat Pay: orders are placed through v2; questions, closing and refunds go through v3."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from core.upstreams import UpstreamRefused
from payments.gateways.base import Gateway, GatewayBusy
from payments.gateways.wechat.http import UPSTREAM
from payments.gateways.wechat.merchant import Merchant, merchant, merchant_of, merchants
from payments.gateways.wechat.v2 import WeChatV2
from payments.gateways.wechat.v3 import WeChatV3

__all__ = [
    "gateway_to_ask",
    "gateway_v2",
    "gateway_v3",
    "merchant",
    "merchant_of",
    "merchants",
    "refuse_if_dead",
    "room",
]


def gateway_v2(who: Merchant | None = None) -> WeChatV2:
    """Return the v2 gateway of a merchant, without ``who`` of the present one.

    :raises GatewayMisconfigured: v2 values are missing.
    """
    return WeChatV2(who or merchant())


def gateway_v3(who: Merchant | None = None) -> WeChatV3:
    """Return the v3 gateway of a merchant, without ``who`` of the present one; each is made once per process.

    :raises GatewayMisconfigured: v3 values are missing or unusable.
    """
    return _kept_v3(who or merchant())


@lru_cache(maxsize=8)
def _kept_v3(who: Merchant) -> WeChatV3:
    return WeChatV3(who)


def gateway_to_ask(who: Merchant | None = None) -> Gateway:
    """Return the gateway for query and close: v3, or v2 for a merchant without v3 values."""
    who = who or merchant()
    return gateway_v3(who) if who.has_v3 else gateway_v2(who)


@contextmanager
def room() -> Iterator[None]:
    """Reserve a place for the calls in the block, so that none of them is refused after a row was written.

    :raises GatewayBusy: too many calls wait for WeChat Pay already.
    """
    try:
        with UPSTREAM.slot():
            yield
    except UpstreamRefused as refused:
        raise GatewayBusy(refused) from None


def refuse_if_dead() -> None:
    """Check that the circuit breaker lets a call to WeChat Pay through.

    :raises GatewayBusy: WeChat Pay counts as dead, and the time for the next trial call has not come.
    """
    try:
        UPSTREAM.refuse_if_dead()
    except UpstreamRefused as refused:
        raise GatewayBusy(refused) from None
