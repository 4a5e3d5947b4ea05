"""What a user of a role gets, found out by the code that gives it; nobody is logged in for it."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Permission
from django.http import HttpRequest
from django.urls import resolve

from core.api.access import Access
from core.api.routing import endpoints
from permissions.doctor import may
from permissions.forms import VERBS
from permissions.models import Button, Role
from permissions.rights import Rights, rights_held
from permissions.rowlist import row_allows, row_calls, row_notes


@dataclass(frozen=True)
class Somebody:
    """Stands for a member of staff of the role wherever the back office asks what its user may do."""

    rights: Rights
    permissions: frozenset[str]
    is_active = is_staff = is_authenticated = True
    is_anonymous = False
    pk = None

    @property
    def is_superuser(self) -> bool:
        return self.rights.is_root

    def has_perm(self, name: str, obj: Any = None) -> bool:
        return self.is_superuser or name in self.permissions

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_superuser or any(name.partition(".")[0] == app_label for name in self.permissions)


@dataclass(frozen=True)
class Call:
    path: str
    title: str
    may: bool


def preview_of(role: Role, permissions: Iterable[Permission], request: HttpRequest, site: Any) -> dict[str, Any]:
    """Fill the context of ``templates/permissions/preview.html``. ``role`` need not be saved."""
    rights = rights_held(role)
    granted = {
        tag: [Call(call.path, call.row_title, row_allows(rights, call)) for call in calls]
        for tag, calls in row_calls().items()
    }
    everybodys = {
        access: [call for call in endpoints() if call.access is access and may(rights, call)]
        for access in (Access.ROOT, Access.ANY_USER, Access.OPEN)
    }
    names = frozenset(f"{right.content_type.app_label}.{right.codename}" for right in permissions)
    return {
        "role": role,
        "menu": rights.menu,
        "granted": granted,
        "counts": (sum(c.may for calls in granted.values() for c in calls), sum(map(len, granted.values()))),
        "everybodys": [(access.value, calls) for access, calls in everybodys.items() if calls],
        "idle": [note for note in row_notes(role.rows) if note.is_idle],
        "buttons": [(label, value in rights.buttons) for value, label in Button.choices],
        "sections": _sections(Somebody(rights, names), request, site),
    }


def _sections(user: Somebody, request: HttpRequest, site: Any) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """The sidebar's groups as this user sees them, each entry with what may be done there."""
    theirs: Any = copy.copy(request)
    theirs.user = user
    groups = []
    for group in site.get_sidebar_list(theirs):
        if group["title"]:
            groups.append((group["title"], [(item["title"], _verbs(item["link"], theirs)) for item in group["items"]]))
    return groups


def _verbs(link: str, request: Any) -> list[str]:
    page = getattr(resolve(link.partition("?")[0]).func, "model_admin", None)
    if page is None:  # a page that is no list of records
        return [VERBS["view"]]
    return [word for verb, word in VERBS.items() if getattr(page, f"has_{verb}_permission")(request)]
