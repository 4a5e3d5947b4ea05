"""The days that a page shows, those around them, and those that they are compared with."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from django.contrib import messages
from django.http import HttpRequest

from core.times import day_of

MAX_DAYS = 366
YEAR, QUARTER = 12, 3  # months
D = TypeVar("D", bound=date)


@dataclass(frozen=True)
class Days:
    """Some days that are over or have begun, both ends included."""

    first: date
    last: date
    today: date
    name: str = field(default="", compare=False)  # where the days have one that does not follow from them

    @property
    def number(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def all(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range(self.number)]

    @property
    def is_open(self) -> bool:
        return self.last == self.today

    @property
    def query(self) -> str:
        return f"from={self.first}&to={self.last}"

    @cached_property
    def months(self) -> int:
        """How many whole months these days are, where this month counts as far as it is; 0 if they are none."""
        is_whole = self.last == _last_of_month(self.last) or (self.is_open and self.number > 1)
        months = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1
        return months if self.first.day == 1 and is_whole else 0

    @cached_property
    def stride(self) -> int:
        """By how many months one steps from these days to the next ones: a year, a quarter, or as many as they are."""
        if self.first.month == 1 and (self.months == YEAR or (self.is_open and self.months > QUARTER)):
            return YEAR
        is_quarter = self.first.month % QUARTER == 1 and (self.months == QUARTER or (self.is_open and self.months == 2))
        return QUARTER if is_quarter else self.months

    @property
    def title(self) -> str:
        return f"{self.first}" if self.number == 1 else f"{self.first} 至 {self.last}"

    @property
    def label(self) -> str:
        """Return the days as people call them: 2026年, 2026年第4季, 2026年11月."""
        year, month = self.first.year, self.first.month
        names = {1: f"{year}年{month}月"}
        names |= {QUARTER: f"{year}年第{month // QUARTER + 1}季"} if month % QUARTER == 1 else {}
        names |= {YEAR: f"{year}年"} if month == 1 else {}
        return self.name or names.get(self.stride, self.title)

    def moved(self, sign: int) -> "Days":
        """Return the days before (``sign`` -1) or after these: as many whole months, or as many days."""
        if self.stride:
            first = month_later(self.first, sign * self.stride)
            return replace(self, first=first, last=month_later(first, self.stride) - timedelta(days=1))
        length = timedelta(days=sign * self.number)
        return replace(self, first=self.first + length, last=self.last + length)

    def before(self) -> "Days":
        """Return the days before; the same part of them where these are not over."""
        return self.year_before() if self.stride == YEAR else self._part_of(self.moved(-1))

    def year_before(self) -> "Days":
        """Return the same days, or the same part of the same months, of the year before."""
        if not self.stride:
            return replace(self, first=_year_before(self.first), last=_year_before(self.last))
        first = month_later(self.first, -YEAR)
        return self._part_of(replace(self, first=first, last=month_later(first, self.stride) - timedelta(days=1)))

    def _part_of(self, days: "Days") -> "Days":
        if not self.is_open or not self.stride or self.last == self.moved(1).first - timedelta(days=1):
            return days
        return replace(days, last=min(days.first + (self.last - self.first), days.last), name=f"{days.label}同期")

    def shortcuts(self) -> list[tuple[str, str, bool]]:
        """Return label, query and "is shown" of the days before and after, and of those that people ask for most."""
        names = {YEAR: "一年", QUARTER: "一季", 1: "一个月", 0: f" {self.number} 天" if self.number > 1 else "一天"}
        many = names.get(self.stride, f" {self.stride} 个月")
        month, year = self.today.replace(day=1), self.today.replace(month=1, day=1)
        quarter = month_later(month, -((month.month - 1) % QUARTER))
        spans = [(label + many, self.moved(sign)) for label, sign in (("前", -1), ("后", 1))]
        spans += [
            (label, replace(self, first=first, last=last))
            for label, first, last in (
                ("今天", self.today, self.today),
                ("本月", month, self.today),
                ("上月", month_later(month, -1), month - timedelta(days=1)),
                ("本季", quarter, self.today),
                ("今年", year, self.today),
                ("去年", _year_before(year), year - timedelta(days=1)),
            )
        ]
        cut = [(label, replace(days, last=min(days.last, self.today))) for label, days in spans]
        return [(label, f"?{days.query}", days == self) for label, days in cut if days.first <= self.today]


def days_asked(request: HttpRequest, today: date, default: date) -> Days:
    """Return the days of ``from`` and ``to``; from ``default`` until today if both are missing.

    The last ``MAX_DAYS`` days of the span count, which the page says of a longer one, and no day in the future.
    """
    begins, ends = (day_of(request.GET.get(name, "")) for name in ("from", "to"))
    first = begins or ends or default
    last = ends or begins or today
    first, last = sorted((min(first, today), min(last, today)))
    oldest = last - timedelta(days=MAX_DAYS - 1)
    if first < oldest:
        messages.warning(request, f"一次最多 {MAX_DAYS} 天：这里从 {oldest} 算起，不是从 {first}")
    return Days(max(first, oldest), last, today)


def change_text(now: Any, before: Any) -> str:
    """Say how much more or less the number is, in percent; "" if there was none before."""
    return f"{'↑' if now >= before else '↓'} {abs(now - before) / before:.0%}" if before else ""


def month_later(first: D, months: int) -> D:
    """Return the first of the month so many months after that of ``first``, which is the first of its month."""
    number = first.year * 12 + first.month - 1 + months
    return first.replace(year=number // 12, month=number % 12 + 1)


def _last_of_month(day: date) -> date:
    return month_later(day.replace(day=1), 1) - timedelta(days=1)


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


# --- Today, this week or this month, each with the same part of the one before ---
PERIODS = {"today": ("今天", "昨天同期"), "week": ("本周", "上周同期"), "month": ("本月", "上月同期")}


class Period(NamedTuple):
    """From ``begins`` until now, and the same length of the period before, for a fair comparison."""

    name: str
    label: str
    last_label: str
    begins: datetime
    ends: datetime
    last_begins: datetime
    last_ends: datetime

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
        last_begins = month_later(begins, -1)
    name = name if name in PERIODS else "today"
    # The month before may be shorter.
    return Period(name, *PERIODS[name], begins, now, last_begins, min(last_begins + (now - begins), begins))
