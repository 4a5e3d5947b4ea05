"""What v2 and v3 have in common: refusals as errors; numbers, times and texts as WeChat Pay takes them."""

import re
import unicodedata
from datetime import datetime
from typing import Any, TypeGuard

from payments.errors import (
    AlreadyClosed,
    AlreadyPaid,
    BillEmpty,
    BillNotReady,
    NumberUsed,
    OrderUnknown,
    WeChatRefused,
    WeChatUncertain,
)
from payments.wechat_codes import documented_code

_FIRST_EMOJI = "\u2300"  # symbols before it are those of texts: ©, ℃, →
_KINDS: dict[str, type[WeChatRefused]] = {
    "ORDER_CLOSED": AlreadyClosed,
    "ORDERNOTEXIST": OrderUnknown,
    "OUT_TRADE_NO_USED": NumberUsed,
    "SYSTEMERROR": WeChatUncertain,
    "BANKERROR": WeChatUncertain,
    "FREQUENCY_LIMITED": WeChatUncertain,
    "RULELIMIT": WeChatUncertain,
    "USERPAYING": WeChatUncertain,
}
# Those that the table of codes does not have, without underscores.
_KINDS_BY_NAME: dict[str, type[WeChatRefused]] = {
    "ORDERPAID": AlreadyPaid,
    "NOSTATEMENTEXIST": BillEmpty,
    "STATEMENTCREATING": BillNotReady,
}


def is_number(text: Any, max_length: int = 64) -> TypeGuard[str]:
    """Tell an order, refund or transaction number from anything else: it goes into paths and database rows."""
    return isinstance(text, str) and len(text) <= max_length and re.fullmatch(r"[0-9A-Za-z_\-|*@]+", text) is not None


def refusal(name: str, message: str, http_status: int = 0) -> WeChatRefused:
    """Make the error for what the provider calls ``name``. An undocumented one counts as uncertain."""
    code = documented_code(name, http_status)
    if code == "INVALID_REQUEST" and "订单号重复" in message:
        code = "OUT_TRADE_NO_USED"  # what the live service sends instead of the documented code
    kind = _KINDS_BY_NAME.get(name.upper().replace("_", "")) or _KINDS.get(code, WeChatRefused)
    return kind("TRADE_ERROR" if kind is AlreadyPaid else code, message)


def storable(moment: datetime) -> datetime | None:
    """Return a time that says when money moved; None for one outside these centuries, which could not be read back."""
    return moment if 2000 <= moment.year < 2100 else None


def cut(text: str, limit: int) -> str:
    """Return ``text`` cut to ``limit`` bytes of UTF-8, never inside a character.

    WeChat Pay counts bytes, and refuses the whole call for one character too many.
    """
    return text.encode(errors="ignore")[:limit].decode(errors="ignore")


def plain(text: str, limit: int) -> str:
    """Return ``text`` in one line of at most ``limit`` bytes, without control and invisible characters and emoji.

    WeChat Pay documents for no call whether a text may hold emoji, and some calls refuse them: then a product with an
    emoji in its name could not be paid, and a refund with one in its reason would fail.
    """
    line = "".join(_plain_char(char) for char in text)
    return cut(" ".join(line.split()), limit).strip()


def _plain_char(char: str) -> str:
    if char.isspace():
        return " "
    kind = unicodedata.category(char)
    is_emoji = kind in {"So", "Sk"} and char >= _FIRST_EMOJI
    is_variant = "\ufe00" <= char <= "\ufe0f"  # an emoji's look
    return "" if kind.startswith("C") or is_emoji or is_variant else char
