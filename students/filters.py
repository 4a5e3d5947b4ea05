"""The filters of the back office's list of students, for the list, its chips and the export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q

from core.ids import storable
from core.times import day_begins, day_of
from permissions.scope import practised
from students.campuses import campuses
from students.models import MAX_AGE, MIN_AGE, PRESENT_STATES, StudentState

PRESENT = "在册"  # neither 退学 nor 结业: the figures of a class count these
STATES: dict[str, Sequence[StudentState]] = {PRESENT: PRESENT_STATES} | {one.label: (one,) for one in StudentState}
SCHOOL = "学校的"
ENTERED = {SCHOOL: ~practised(), "学员练习的": practised()}


@dataclass(frozen=True)
class Filter:
    """One filter: its name in the address, the words on its chip, and what it compares."""

    name: str
    label: str
    lookup: str
    kind: str = "text"  # or "number", "day", "state", "campus", "entered"

    def read(self, text: str) -> str:
        """Return the value as the address and the form write it; "" for a value without a meaning."""
        text = storable(text)
        if self.kind == "number":
            return str(int(text)) if text.isdecimal() and MIN_AGE <= int(text) <= MAX_AGE else ""
        if self.kind == "state":
            return text if text in STATES else ""
        if self.kind == "entered":
            return text if text in ENTERED else ""
        return "" if self.kind == "day" and not day_of(text) else text

    def condition(self, text: str) -> Q:
        """Return the condition that a value which makes sense stands for."""
        if self.kind == "entered":
            return ENTERED[text]
        value: Any = text
        if self.kind == "campus":
            value = campuses().get(text, [])
        elif self.kind == "day" and (day := day_of(text)):
            value = day_begins(day + timedelta(days=self.lookup.endswith("__lt")))
        elif self.kind == "state":
            value = STATES[text]
        return Q(**{self.lookup: value})


FILTERS = (
    Filter("campus", "校区", "class_name__in", "campus"),
    Filter("class", "班级", "class_name"),
    Filter("state", "状态", "state__in", "state"),
    Filter("city", "城市", "city"),
    Filter("degree", "学历", "degree"),
    Filter("age_from", "年龄不小于", "age__gte", "number"),
    Filter("age_to", "年龄不大于", "age__lte", "number"),
    Filter("since", "创建时间从", "created_at__gte", "day"),
    Filter("until", "创建时间到", "created_at__lt", "day"),
    Filter("entered", "录入", "", "entered"),
)


def filters_read(params: Mapping[str, str]) -> dict[str, str]:
    """Return the filters that are set, by name; what makes no sense is left out."""
    values = {one.name: one.read(params.get(one.name) or "") for one in FILTERS}
    return {name: value for name, value in values.items() if value}


def filters_q(values: Mapping[str, str]) -> Q:
    """Return the condition that all these filters make together."""
    return Q(*(one.condition(values[one.name]) for one in FILTERS if one.name in values))
