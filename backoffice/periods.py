"""The periods that the first page compares: today, this week or this month with the same part of the one before."""

from dataclasses import dataclass
from datetime import datetime, timedelta

NAMES = {"today": ("今天", "昨天"), "week": ("本周", "上周"), "month": ("本月", "上月")}


@dataclass(frozen=True)
class Period:
    """From ``begins`` until now, and the same length of the period before, for a fair comparison."""

    name: str
    begins: datetime
    ends: datetime
    last_begins: datetime
    last_ends: datetime

    @property
    def label(self) -> str:
        return NAMES[self.name][0]

    @property
    def last_label(self) -> str:
        return f"{NAMES[self.name][1]}同期"

    @property
    def spans(self) -> list[tuple[datetime, datetime]]:
        return [(self.begins, self.ends), (self.last_begins, self.last_ends)]


def period_of(name: str, now: datetime) -> Period:
    """Return the period of this name at ``now``, which is in local time; today's for an unknown name."""
    begins = now.replace(hour=0, minute=0, second=0, microsecond=0)
    last_begins = begins - timedelta(days=1)
    if name == "week":
        begins -= timedelta(days=now.weekday())
        last_begins = begins - timedelta(days=7)
    elif name == "month":
        begins = begins.replace(day=1)
        last_begins = (begins - timedelta(days=1)).replace(day=1)
    # The month before may be shorter.
    last_ends = min(last_begins + (now - begins), begins)
    return Period(name if name in NAMES else "today", begins, now, last_begins, last_ends)
