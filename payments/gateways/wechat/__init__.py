"""WeChat Pay: orders are placed through v2; questions, closing and refunds go through v3."""

from functools import lru_cache

from payments.gateways.base import Gateway
from payments.gateways.wechat.merchant import Merchant, merchant
from payments.gateways.wechat.v2 import WeChatV2
from payments.gateways.wechat.v3 import WeChatV3


def gateway_v2() -> WeChatV2:
    """:raises GatewayMisconfigured: v2 values are missing."""
    return WeChatV2(merchant())


def gateway_v3() -> WeChatV3:
    """:raises GatewayMisconfigured: v3 values are missing or unusable."""
    return _kept_v3(merchant())


@lru_cache(maxsize=4)
def _kept_v3(who: Merchant) -> WeChatV3:
    return WeChatV3(who)


def gateway_to_ask() -> Gateway:
    """For query and close: v3, or v2 with a merchant who has no v3 values at all."""
    return gateway_v3() if merchant().has_v3 else gateway_v2()
