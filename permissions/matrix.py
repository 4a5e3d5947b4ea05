"""The table 谁能做什么: each role, and what it may do in the back office and through the API."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth.models import Permission
from django.db.models import Count, Prefetch, Q

from permissions.models import Role
from permissions.office import office_rights
from permissions.rights import Rights, rights_of_role
from permissions.row_choices import calls_open_to_rows, row_allows


class MatrixLine(NamedTuple):
    """What may be done, with a tick for each role in the order of the columns."""

    what: str
    detail: str
    ticks: list[tuple[Role, bool]]


class MatrixGroup(NamedTuple):
    title: str
    lines: list[MatrixLine]


def matrix() -> dict[str, Any]:
    """Return the context of ``templates/permissions/matrix.html``. Three queries, however many roles there are."""
    rights = Prefetch("permissions", Permission.objects.only("pk"))
    counts = {"user_total": Count("users"), "staff_total": Count("users", filter=Q(users__is_staff=True))}
    roles = list(Role.objects.order_by("pk").annotate(**counts).prefetch_related(rights))
    return {"roles": roles, "groups": [*_office(roles), *_api(roles)]}


def _office(roles: list[Role]) -> Iterable[MatrixGroup]:
    pks = {role.pk: {right.pk for right in role.permissions.all()} for role in roles}
    groups: dict[str, MatrixGroup] = {}
    for right in office_rights():
        ticks = [(role, role.is_root or right.permission.pk in pks[role.pk]) for role in roles]
        group = groups.setdefault(right.app, MatrixGroup(f"后台 · {right.app}", []))
        group.lines.append(MatrixLine(right.verb, right.records, ticks))
    yield from groups.values()


def _api(roles: list[Role]) -> Iterable[MatrixGroup]:
    rights: list[tuple[Role, Rights]] = [(role, rights_of_role(role)) for role in roles]
    for tag, calls in calls_open_to_rows().items():
        lines = []
        for call in calls:
            lines.append(MatrixLine(call.row_title, call.path, [(role, row_allows(one, call)) for role, one in rights]))
        yield MatrixGroup(f"接口 · {tag}", lines)
