"""What v2 and v3 have in common: one HTTP call, refusals as errors; numbers, times and texts as WeChat takes them."""

import re
import unicodedata
from datetime import datetime
from typing import Any, TypeGuard

from core.http import Answer, OutgoingError, OutgoingTimeout, UpstreamRefused, exchange
from core.upstreams import Upstream
from payments import errors
from payments.errors import WeChatRefused, WeChatUncertain
from payments.wechat_codes import documented_code

TOTAL_TIMEOUT_S = 8
MAX_BYTES = 256 * 1024
USER_AGENT = "student-project-manager/1.0"
UPSTREAM = Upstream("wechat_pay")
_FIRST_EMOJI = "\u2300"  # symbols before it are those of texts: ©, ℃, →
_KINDS: dict[str, type[WeChatRefused]] = {
    "ORDER_CLOSED": errors.AlreadyClosed,
    "ORDERNOTEXIST": errors.OrderUnknown,
    "OUT_TRADE_NO_USED": errors.NumberUsed,
    "SYSTEMERROR": WeChatUncertain,
    "BANKERROR": WeChatUncertain,
    "FREQUENCY_LIMITED": WeChatUncertain,
    "RULELIMIT": WeChatUncertain,
    "USERPAYING": WeChatUncertain,
}
# Those that the table of codes does not have, without underscores.
_KINDS_BY_NAME: dict[str, type[WeChatRefused]] = {
    "ORDERPAID": errors.AlreadyPaid,
    "NOSTATEMENTEXIST": errors.BillEmpty,
    "STATEMENTCREATING": errors.BillNotReady,
}


def send(
    method: str, url: str, *, headers: dict[str, str], body: str = "", total_s: float = 0, max_bytes: int = 0
) -> Answer:
    """Send a request and return the answer, read whole: one deadline for all of it, a size limit, no redirects.

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
        raise errors.ProviderBusy(str(refused), headers=refused.headers) from None
    except OutgoingTimeout as error:
        raise errors.ProviderTimeout(str(error)) from None
    except OutgoingError as error:
        raise errors.ProviderDown(str(error)) from None


def is_number(text: Any, max_length: int = 64) -> TypeGuard[str]:
    """Tell an order, refund or transaction number from anything else: it goes into paths and database rows."""
    return isinstance(text, str) and len(text) <= max_length and re.fullmatch(r"[0-9A-Za-z_\-|*@]+", text) is not None


def refusal(name: str, message: str, http_status: int = 0) -> WeChatRefused:
    """Make the error for what the provider calls ``name``. An undocumented one counts as uncertain."""
    code = documented_code(name, http_status)
    if code == "INVALID_REQUEST" and "订单号重复" in message:
        code = "OUT_TRADE_NO_USED"  # what the live service sends instead of the documented code
    kind = _KINDS_BY_NAME.get(name.upper().replace("_", "")) or _KINDS.get(code, WeChatRefused)
    return kind("TRADE_ERROR" if kind is errors.AlreadyPaid else code, message)


def plausible_time(moment: datetime) -> datetime | None:
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
