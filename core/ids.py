"""Identifiers as clients know them."""

import secrets
import string
from datetime import datetime

from core.times import local

_ALNUM = string.digits + string.ascii_letters


def object_id(created_at: datetime, pk: int) -> str:
    """Give a record its stable ``_id``: 24 hex digits, the first 8 the time in seconds as in MongoDB."""
    return f"{int(created_at.timestamp()) & 0xFFFFFFFF:08x}{pk:016x}"


def time17(now: datetime) -> str:
    """Write a moment as 17 digits, ``YYYYMMDDHHmmssSSS``, Asia/Shanghai."""
    there = local(now)
    return there.strftime("%Y%m%d%H%M%S") + f"{there.microsecond // 1000:03d}"


def random_text(length: int, alphabet: str = _ALNUM) -> str:
    """An unguessable text of ``length`` characters."""
    return "".join(secrets.choice(alphabet) for _ in range(length))
