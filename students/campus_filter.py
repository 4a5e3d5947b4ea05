"""Filters of other lists: 校区, which a school whose classes have no campus does not see, and 录入."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.admin.base import ChoiceFilter
from permissions.scope import scope_of
from students.classes import campuses
from students.filters import ENTERED


class CampusFilter(admin.SimpleListFilter):
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
