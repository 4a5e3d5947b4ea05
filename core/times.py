"""The two time formats of the contract, both Asia/Shanghai and 24-hour."""

from datetime import datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def local(moment: datetime) -> datetime:
    return moment.astimezone(SHANGHAI)


def slash(moment: datetime | None) -> str:
    """``2019/05/09 02:14:12``: students and the login log."""
    return f"{local(moment):%Y/%m/%d %H:%M:%S}" if moment else ""


def comma(moment: datetime | None) -> str | None:
    """``2020-12-31,12:59:59``: shop records."""
    return f"{local(moment):%Y-%m-%d,%H:%M:%S}" if moment else None
