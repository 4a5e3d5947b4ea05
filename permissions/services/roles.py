"""Create roles, and seed the four of the contract."""

from collections.abc import Iterable
from itertools import chain, count
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
    """Return the role ``roleid`` if it has this data scope, else the copy of it or of its origin that has it.

    The copy is found by origin and scope, never by its name, and made where there is none: if staff gave a copy
    another scope, the next call makes another copy.

    :raises Role.DoesNotExist: there is no such role.
    """
    role = Role.objects.select_related("origin").get(roleid=roleid)
    if role.scope == scope:
        return role
    # The lock lets one of two calls make the copy.
    origin = Role.objects.select_for_update(no_key=True).get(pk=(role.origin or role).pk)
    if origin.scope == scope:
        return origin
    copies = origin.copies.filter(**scope.columns).order_by("pk")
    if not copies.exists():
        copy = Role.objects.create(
            roleid=_free_roleid(f"{origin.roleid[:16]}-{scope.value}"),
            name=f"{origin.name}（{scope.label}）"[: Role.NAME_LENGTH],
            **scope.columns,
            **_followed(origin),
            origin=origin,
        )
        _set_permissions(copy, origin.permissions.values_list("pk", flat=True))
    copies_follow(origin=origin)
    return copies[0]


def _free_roleid(start: str) -> str:
    taken = set(Role.objects.filter(roleid__startswith=start).values_list("roleid", flat=True))
    names = chain([start], (f"{start}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def copies_follow(*, origin: Role) -> None:
    """Give the copies of a role what it has now, except its data scope. Whatever changes a role calls this."""
    values = _followed(origin)
    for copy in origin.copies.select_for_update(no_key=True).order_by("pk"):
        if values != _followed(copy):
            for name, value in values.items():
                setattr(copy, name, value)
            copy.save(update_fields=[*values, "updated_at"])
        copy.permissions.set(origin.permissions.all())


def _followed(role: Role) -> dict[str, Any]:
    return {name: getattr(role, name) for name in Role.FOLLOWING}


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
            copies_follow(origin=role)
            roleids.append(role.roleid)
    return roleids


def _set_back_office(role: Role) -> None:
    verbs_by_app = BACK_OFFICE.get(role.roleid, {})
    candidates = Permission.objects.filter(content_type__app_label__in=verbs_by_app).values_list(
        "pk", "codename", "content_type__app_label"
    )
    _set_permissions(role, [pk for pk, codename, app in candidates if codename.partition("_")[0] in verbs_by_app[app]])


def _set_permissions(role: Role, pks: Iterable[int]) -> None:
    # Write the rows of the many-to-many table directly: with `set`, the audit log would look up the name of each
    # right in a query of its own, and a role that is made would have two entries.
    through = Role.permissions.through
    through.objects.filter(role=role).delete()
    through.objects.bulk_create(through(role=role, permission_id=pk) for pk in pks)
