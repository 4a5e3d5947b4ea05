"""Which error of a gateway a refusal of WeChat Pay becomes, for v2 and v3 alike."""

import re
from datetime import datetime
from typing import Any, TypeGuard

from payments.gateways.base import (
    AlreadyClosed,
    AlreadyPaid,
    GatewayRefused,
    GatewayUncertain,
    NumberUsed,
    OrderUnknown,
)
from payments.wechat_codes import documented_code

_KINDS: dict[str, type[GatewayRefused]] = {
    "ORDER_CLOSED": AlreadyClosed,
    "ORDERNOTEXIST": OrderUnknown,
    "OUT_TRADE_NO_USED": NumberUsed,
    "SYSTEMERROR": GatewayUncertain,
    "BANKERROR": GatewayUncertain,
    "FREQUENCY_LIMITED": GatewayUncertain,
    "RULELIMIT": GatewayUncertain,
    "USERPAYING": GatewayUncertain,
}


def is_number(text: Any, longest: int = 64) -> TypeGuard[str]:
    """Tell an order, refund or transaction number from anything else: it goes into paths and database rows."""
    return isinstance(text, str) and len(text) <= longest and re.fullmatch(r"[0-9A-Za-z_\-|*@]+", text) is not None


def is_transaction_id(text: Any) -> TypeGuard[str]:
    """Tell WeChat's number of a payment, which has at most 32 characters, from anything else."""
    return is_number(text, 32)


def refusal(name: str, message: str, http_status: int = 0) -> GatewayRefused:
    """Make the error for what the provider calls ``name``. What nobody has documented counts as uncertain."""
    plain = name.upper().replace("_", "")
    if plain == "ORDERPAID":
        return AlreadyPaid(message, code="TRADE_ERROR", name=name)
    code = documented_code(name, http_status)
    if code == "INVALID_REQUEST" and "订单号重复" in message:
        code = "OUT_TRADE_NO_USED"  # what the live service sends instead of the documented code
    return _KINDS.get(code, GatewayRefused)(message, code=code, name=name)


def storable(moment: datetime) -> datetime | None:
    """Return a time that says when money moved; None for one of no such century, which nobody could read back."""
    return moment if 2000 <= moment.year < 2100 else None
