"""Check the fields of both APIs. Each function returns the checked value, or raises ``BadField``."""

import re
from typing import Any
from urllib.parse import urlsplit

from sandbox.pay.errors import BadField

OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}", re.ASCII)
OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}", re.ASCII)
MAX_FEE = 10_000_000_00  # ten million yuan in fen
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def text(name: str, value: Any, limit: int, *, required: bool = False, in_bytes: bool = False) -> str:
    """Check a text of at most ``limit`` characters (or bytes of UTF-8); a missing optional one is ``""``."""
    if value is None or value == "":
        if required:
            raise BadField(name, "参数缺失")
        return ""
    if not isinstance(value, str):
        raise BadField(name, "必须是字符串")
    if _UNPRINTABLE.search(value):
        raise BadField(name, "含有非法字符")
    if len(value.encode() if in_bytes else value) > limit:
        raise BadField(name, f"长度超过{limit}")
    return value


def matching(name: str, value: Any, pattern: re.Pattern[str]) -> str:
    """Check a required text that ``pattern`` must match as a whole."""
    found = text(name, value, 128, required=True)
    if not pattern.fullmatch(found):
        raise BadField(name, "格式错误")
    return found


def fee(name: str, value: Any) -> int:
    """Check an amount in fen that came as a number, at least 1."""
    if value is None:
        raise BadField(name, "参数缺失")
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadField(name, "必须是整数（分）")
    if not 1 <= value <= MAX_FEE:
        raise BadField(name, "超出范围")
    return value


def fee_text(name: str, value: str | None) -> int:
    """Check an amount in fen that came as text."""
    if not value:
        raise BadField(name, "参数缺失")
    if not re.fullmatch(r"[0-9]{1,12}", value):
        raise BadField(name, "必须是整数（分）")
    return fee(name, int(value))


def notify_url(name: str, value: Any, *, required: bool) -> str:
    """Check an absolute http(s) address with a path and without a query, as the documents ask."""
    found = text(name, value, 255, required=required)
    if not found:
        return ""
    try:
        parts = urlsplit(found)
        parts.port  # noqa: B018  (raises for a bad one)
    except ValueError:
        raise BadField(name, "格式错误") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.path.strip("/"):
        raise BadField(name, "必须是带路径的绝对地址")
    if parts.query or parts.fragment or not found.isascii() or re.search(r"\s", found):
        raise BadField(name, "不能携带参数")
    return found
