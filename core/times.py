"""Write times: the API's two formats and the back office's, all in Asia/Shanghai and 24-hour."""

from datetime import date, datetime, time, timedelta
from typing import overload
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def local(moment: datetime) -> datetime:
    return moment.astimezone(SHANGHAI)


def slash(moment: datetime | None) -> str:
    """``2019/05/09 02:14:12``: students and the login log."""
    if moment is None:
        return ""
    t = local(moment)  # strftime takes three times as long, and a list writes a thousand times
    return f"{t.year}/{t.month:02}/{t.day:02} {t.hour:02}:{t.minute:02}:{t.second:02}"


def dash(moment: datetime | None) -> str:
    """``2019-05-09 02:14:12``: the back office. ``config/formats`` sets the same format for Django."""
    return f"{local(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


@overload
def comma(moment: datetime) -> str: ...
@overload
def comma(moment: None) -> None: ...
def comma(moment: datetime | None) -> str | None:
    """``2020-12-31,12:59:59``: shop records."""
    if moment is None:
        return None
    t = local(moment)  # as in `slash`
    return f"{t.year}-{t.month:02}-{t.day:02},{t.hour:02}:{t.minute:02}:{t.second:02}"


def day_begins(day: date) -> datetime:
    """Return the first moment of a day in Asia/Shanghai."""
    return datetime.combine(day, time.min, SHANGHAI)


def span(length: timedelta) -> str:
    """Return a time span as people write it: ``2 分钟``."""
    seconds = int(length.total_seconds())
    for unit, name in ((86400, "天"), (3600, "小时"), (60, "分钟")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} 秒"
