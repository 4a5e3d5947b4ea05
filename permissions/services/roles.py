"""Create roles, and seed the four of the contract."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction

from permissions.errors import RoleExists
from permissions.models import DataScope, Role
from permissions.seed import BACK_OFFICE, HOME, ROLES


def role_add(
    *,
    roleid: str,
    name: str = "",
    menu: list[dict[str, Any]] | None = None,
    rows: Iterable[str] = (),
    buttons: Iterable[str] = (),
) -> Role:
    """Create a role; its name is ``roleid`` unless ``name`` is set. Double rows and buttons are dropped.

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


@transaction.atomic
def role_scoped(*, roleid: str, scope: DataScope) -> Role:
    """Return the role ``roleid`` if it has this data scope, else its copy that has it, which is made once.

    :raises Role.DoesNotExist: there is no such role.
    """
    role = Role.objects.get(roleid=roleid)
    if role.data_scope == scope:
        return role
    defaults = {name: getattr(role, name) for name in ("menu", "rows", "buttons")}
    name = f"{role.name}（{scope.label}）"[: Role.NAME_LENGTH]
    copy, is_new = Role.objects.get_or_create(
        roleid=f"{roleid[:20]}-{scope.value}", defaults=defaults | {"name": name, "data_scope": scope}
    )
    if is_new:
        copy.permissions.set(role.permissions.all())
    return copy


def menu_with_home(menu: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the page that clients open first to a menu that lacks it."""
    return menu if any(entry["name"] == HOME for entry in menu) else [{"name": HOME}, *menu]


@transaction.atomic
def roles_seed(*, reset: bool = False) -> list[str]:
    """Create the contract's roles that are missing; return the ``roleid`` of every role that was written.

    :param reset: also set existing ones back to the contract's values, which undoes what staff changed.
    """
    roleids = []
    for seed in ROLES:
        fields = {name: value for name, value in seed.items() if name != "roleid"}
        write = Role.objects.update_or_create if reset else Role.objects.get_or_create
        role, is_new = write(roleid=seed["roleid"], defaults=fields)
        if is_new or reset:
            _set_back_office(role)
            roleids.append(role.roleid)
    return roleids


def _set_back_office(role: Role) -> None:
    verbs_by_app = BACK_OFFICE.get(role.roleid, {})
    candidates = Permission.objects.filter(content_type__app_label__in=verbs_by_app).values_list(
        "pk", "codename", "content_type__app_label"
    )
    # Write the rows of the many-to-many table directly: with `set`, the audit log would look up the name of each
    # right in a query of its own.
    through = Role.permissions.through
    through.objects.filter(role=role).delete()
    through.objects.bulk_create(
        through(role=role, permission_id=pk)
        for pk, codename, app in candidates
        if codename.partition("_")[0] in verbs_by_app[app]
    )
