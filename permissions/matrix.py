"""What roles give: the table of all roles (谁能做什么), and the preview of one.

The code that decides for real users decides here too, in the preview for a made-up user, so neither can differ from
the truth.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib.auth.models import Permission
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest
from django.urls import resolve

from core.admin.listing import ListQuery
from core.api.access import Access
from core.api.routing import endpoints
from permissions.choices import calls_open_to_rows, office_rights, row_notes
from permissions.models import ClientButton, Role


class MatrixLine(NamedTuple):
    """What may be done, with a tick for each role in the order of the columns."""

    what: str
    detail: str
    ticks: list[tuple[Role, bool]]


def matrix() -> dict[str, Any]:
    """Return the context of ``templates/permissions/matrix.html``. Three queries, however many roles there are."""
    rights = Prefetch("permissions", Permission.objects.only("pk"))
    counts = {"user_total": Count("users"), "staff_total": Count("users", filter=Q(users__is_staff=True))}
    roles = list(Role.objects.order_by("pk").annotate(**counts).prefetch_related(rights))
    groups: dict[str, list[MatrixLine]] = {}
    rights_of = {role.pk: {right.pk for right in role.permissions.all()} for role in roles}
    for right in office_rights():
        ticks = [(role, role.is_root or right.permission.pk in rights_of[role.pk]) for role in roles]
        groups.setdefault(f"后台 · {right.app}", []).append(MatrixLine(right.verb, right.records, ticks))
    for tag, calls in calls_open_to_rows().items():
        for call in calls:
            ticks = [(role, role.may_call(call.paths, Access.ROWS)) for role in roles]
            groups.setdefault(f"接口 · {tag}", []).append(MatrixLine(call.row_title, call.path, ticks))
    return {"roles": roles, "groups": groups}


@dataclass(frozen=True)
class PreviewUser:
    """A member of staff with the role, for the checks of the back office that take a user; has no row."""

    role: Role
    permissions: frozenset[str]
    is_active = is_staff = is_authenticated = True
    is_anonymous = False
    pk = None

    @property
    def is_superuser(self) -> bool:
        return self.role.is_root

    def has_perm(self, name: str, obj: Any = None) -> bool:
        return self.is_superuser or name in self.permissions

    def has_perms(self, names: Iterable[str]) -> bool:
        return all(map(self.has_perm, names))


def preview_of(role: Role, permissions: Iterable[Permission], request: HttpRequest, site: Any) -> dict[str, Any]:
    """Return the context of ``templates/permissions/preview.html``. ``role`` need not be saved."""
    calls_of = {
        tag: [(call, role.may_call(call.paths, Access.ROWS)) for call in calls]
        for tag, calls in calls_open_to_rows().items()
    }
    everybodys = {
        access: [call for call in endpoints() if call.access is access and role.may_call(call.paths, access)]
        for access in (Access.ROOT, Access.ANY_USER, Access.OPEN)
    }
    names = frozenset(f"{right.content_type.app_label}.{right.codename}" for right in permissions)
    return {
        "role": role,
        "menu": role.menu,
        "granted": calls_of,
        "counts": (sum(may for calls in calls_of.values() for _, may in calls), sum(map(len, calls_of.values()))),
        "everybodys": [(access.value, calls) for access, calls in everybodys.items() if calls],
        "idle": [note for note in row_notes(role.rows) if note.is_idle],
        "buttons": [(label, value in role.buttons) for value, label in ClientButton.choices],
        "sections": _sections(PreviewUser(role, names), request, site),
    }


def _sections(user: PreviewUser, request: HttpRequest, site: Any) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Return the sidebar's groups as ``user`` sees them; each entry comes with the verbs allowed on its page."""
    request_of_user: Any = ListQuery(user, path=request.path)
    groups = []
    for group in site.get_sidebar_list(request_of_user):
        if group["title"]:
            groups.append(
                (group["title"], [(item["title"], _verbs(item["link"], request_of_user)) for item in group["items"]])
            )
    return groups


def _verbs(link: str, request: Any) -> list[str]:
    page = getattr(resolve(link.partition("?")[0]).func, "model_admin", None)
    if page is None:  # a page that is no list of records
        return ["查看"]
    return [label for verb, label in page.rights.items() if page.has_right(request, verb)]
