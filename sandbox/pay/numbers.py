"""Make numbers and times in the provider's formats."""

import secrets
import string
from datetime import datetime
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")
_BASE62 = string.ascii_letters + string.digits


def digits(count: int) -> str:
    return "".join(secrets.choice(string.digits) for _ in range(count))


def base62(count: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(count))


def transaction_number(now: datetime) -> str:
    return f"4200{digits(6)}{now.astimezone(BEIJING):%Y%m%d}{digits(10)}"


def refund_number(now: datetime) -> str:
    return f"503{digits(8)}{now.astimezone(BEIJING):%Y%m%d}{digits(10)}"


def prepay_number(now: datetime) -> str:
    return f"wx{now.astimezone(BEIJING):%d%H%M%S}{secrets.token_hex(11)}0000"


def time14(moment: datetime) -> str:
    """v2: ``yyyyMMddHHmmss``, Beijing time."""
    return f"{moment.astimezone(BEIJING):%Y%m%d%H%M%S}"


def rfc3339(moment: datetime) -> str:
    """v3: ``2018-06-08T10:34:56+08:00``."""
    return moment.astimezone(BEIJING).isoformat(timespec="seconds")
