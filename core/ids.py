"""Make the identifiers that clients see."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from core.times import local


def object_id(created_at: datetime, pk: int) -> str:
    """Return a record's ``_id``: 24 hex digits, of which the first 8 are the time in seconds, as in MongoDB."""
    return f"{int(created_at.timestamp()) & 0xFFFFFFFF:08x}{pk:016x}"


def time17(now: datetime) -> str:
    """Return a time as 17 digits, ``YYYYMMDDHHmmssSSS``, Asia/Shanghai."""
    there = local(now)
    return there.strftime("%Y%m%d%H%M%S") + f"{there.microsecond // 1000:03d}"


def mark_of(keys: Iterable[Any]) -> str:
    """Return a hash of rows that a page shows. If it differs when the form comes back, these are other rows by now."""
    return sha256(repr(sorted(keys)).encode()).hexdigest()
