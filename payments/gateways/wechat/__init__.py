"""WeChat Pay: orders are placed through v2; questions, closing and refunds go through v3."""

from functools import lru_cache

from payments.gateways.wechat.merchant import Merchant, merchant, merchant_of, merchants
from payments.gateways.wechat.v2 import WeChatV2
from payments.gateways.wechat.v3 import WeChatV3

__all__ = ["gateway_to_ask", "gateway_v2", "gateway_v3", "merchant", "merchant_of", "merchants"]


def gateway_v2(who: Merchant | None = None) -> WeChatV2:
    """Return the v2 gateway of a merchant, without ``who`` of the present one.

    :raises PaymentNotConfigured: v2 values are missing.
    """
    return WeChatV2(who or merchant())


def gateway_v3(who: Merchant | None = None) -> WeChatV3:
    """Return the v3 gateway of a merchant, without ``who`` of the present one.

    :raises PaymentNotConfigured: v3 values are missing or unusable.
    """
    return _kept_v3(who or merchant())


@lru_cache(maxsize=8)
def _kept_v3(who: Merchant) -> WeChatV3:
    return WeChatV3(who)  # reading its keys takes 30 ms


def gateway_to_ask(who: Merchant | None = None) -> WeChatV2 | WeChatV3:
    """Return the gateway for query and close: v3, or v2 for a merchant without v3 values."""
    who = who or merchant()
    return gateway_v3(who) if who.has_v3 else gateway_v2(who)
