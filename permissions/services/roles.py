"""What changes roles."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction

from permissions.errors import RoleExists
from permissions.models import Role
from permissions.seed import BACK_OFFICE, HOME, ROLES


def role_add(
    *,
    roleid: str,
    name: str = "",
    menu: list[dict[str, Any]] | None = None,
    rows: Iterable[str] = (),
    buttons: Iterable[str] = (),
) -> Role:
    """Create a role; without ``name`` it is called like its ``roleid``.

    :raises RoleExists: the ``roleid`` is taken.
    """
    try:
        with transaction.atomic():
            return Role.objects.create(
                roleid=roleid,
                name=name or roleid,
                menu=menu_with_home(menu or []),
                rows=list(dict.fromkeys(rows)),
                buttons=list(dict.fromkeys(buttons)),
            )
    except IntegrityError:
        raise RoleExists from None


def menu_with_home(menu: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the page clients land on in front of a menu that lacks it."""
    return menu if any(entry["name"] == HOME for entry in menu) else [{"name": HOME}, *menu]


@transaction.atomic
def roles_seed(*, reset: bool = False) -> list[str]:
    """Create the contract's roles where they are missing; answer the ``roleid`` of those that were written.

    :param reset: also undo what staff changed in them.
    """
    written = []
    for wanted in ROLES:
        fields = {name: value for name, value in wanted.items() if name != "roleid"}
        role, is_new = Role.objects.get_or_create(roleid=wanted["roleid"], defaults=fields)
        if not (is_new or reset):
            continue
        if not is_new:
            for name, value in fields.items():
                setattr(role, name, value)
            role.save()
        _set_back_office(role)
        written.append(role.roleid)
    return written


def _set_back_office(role: Role) -> None:
    wanted = BACK_OFFICE.get(role.roleid, {})
    found = Permission.objects.filter(content_type__app_label__in=wanted).values_list(
        "pk", "codename", "content_type__app_label"
    )
    # The rows themselves: `set` would have the audit name each right, with a query apiece.
    through = Role.permissions.through
    through.objects.filter(role=role).delete()
    through.objects.bulk_create(
        through(role=role, permission_id=pk) for pk, codename, app in found if codename.partition("_")[0] in wanted[app]
    )
