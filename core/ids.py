"""Make the identifiers that clients see, and read keys and texts that a browser sends."""

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


def pks_of(texts: Iterable[str]) -> list[int]:
    """Return the keys that the texts name, without what can be none."""
    return [int(text) for text in texts if text.isdecimal() and len(text) < 19]


def pk_of(text: str) -> int:
    """Return the key that a text names; 0, which no row has, for what can be none."""
    return next(iter(pks_of([text])), 0)


def storable(text: str, limit: int = 64) -> str:
    """Return the beginning of a text without blanks around it and without NUL, which PostgreSQL refuses."""
    return text.replace("\x00", "").strip()[:limit]
