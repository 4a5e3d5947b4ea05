"""The filters of the back office's list of students, for the list, its chips and the export; and two of other lists."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from core.admin.base import ChoiceFilter
from core.ids import storable
from core.times import day_begins, day_of
from permissions.scope import practised, scope_of
from students.classes import campuses
from students.models import MAX_AGE, MIN_AGE, PRESENT_STATES, SchoolClass, StudentState

PRESENT = "在册"  # neither 退学 nor 结业: the figures of a class count these
STATES: dict[str, Sequence[StudentState]] = {PRESENT: PRESENT_STATES} | {one.label: (one,) for one in StudentState}
SCHOOL = "学校的"
ENTERED = {SCHOOL: ~practised(), "学员练习的": practised()}


def _equals(field: str) -> Callable[[str], Q]:
    return lambda text: Q(**{field: text})


def _age(lookup: str) -> Callable[[str], Q | None]:
    return lambda text: Q(**{lookup: int(text)}) if text.isdecimal() and MIN_AGE <= int(text) <= MAX_AGE else None


def _day(lookup: str, *, days: int = 0) -> Callable[[str], Q | None]:
    return lambda text: Q(**{lookup: day_begins(day + timedelta(days))}) if (day := day_of(text)) else None


class Filter(NamedTuple):
    """One filter: its name in the address, the words on its chip, and what it asks of a student.

    ``condition`` returns None for a text without a meaning.
    """

    name: str
    label: str
    condition: Callable[[str], Q | None]


FILTERS = (
    Filter("campus", "校区", lambda text: Q(class_name__in=SchoolClass.objects.filter(campus=text).values("name"))),
    Filter("class", "班级", _equals("class_name")),
    Filter("state", "状态", lambda text: Q(state__in=STATES[text]) if text in STATES else None),
    Filter("city", "城市", _equals("city")),
    Filter("degree", "学历", _equals("degree")),
    Filter("age_from", "年龄不小于", _age("age__gte")),
    Filter("age_to", "年龄不大于", _age("age__lte")),
    Filter("since", "创建时间从", _day("created_at__gte")),
    Filter("until", "创建时间到", _day("created_at__lt", days=1)),
    Filter("entered", "录入", ENTERED.get),
)


def filters_read(params: Mapping[str, str]) -> dict[str, str]:
    """Return the filters that are set, by name; what makes no sense is left out."""
    texts = {one.name: storable(params.get(one.name) or "") for one in FILTERS}
    return {one.name: text for one in FILTERS if (text := texts[one.name]) and one.condition(text) is not None}


def filters_q(values: Mapping[str, str]) -> Q:
    """Return the condition that all these filters make together."""
    return Q(*filter(None, (one.condition(values[one.name]) for one in FILTERS if one.name in values)))


# --- Of other lists ---
class CampusFilter(admin.SimpleListFilter):
    """校区, which a school whose classes have no campus does not see."""

    title, parameter_name = "校区", "campus"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.names = campuses(scope_of(request.user))
        return [(campus, campus) for campus in self.names]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        path = getattr(rows.model, "class_path", "name")  # the list of classes itself has none
        return rows.filter(**{f"{path}__in": self.names.get(self.value() or "", ())}) if self.value() else rows


class EnteredFilter(ChoiceFilter):
    title, parameter_name = "录入", "entered"
    conditions: ClassVar = {name: (name, condition) for name, condition in ENTERED.items()}
