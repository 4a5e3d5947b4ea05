"""Queries about roles."""

from django.conf import settings
from django.db.models import QuerySet

from permissions.models import ROOT_ROLEID, Role
from permissions.role_shape import menu_names
from permissions.seed import FULL_MENU


def role_list(*, roleid: str | None = None) -> QuerySet[Role]:
    """Return roles, oldest first, at most ``API_MAX_ROWS``; with ``roleid`` only that one."""
    roles = Role.objects.order_by("pk").only("roleid", "name")
    return (roles if roleid is None else roles.filter(roleid=roleid))[: settings.API_MAX_ROWS]


_roles: dict[str, tuple[str, Role]] = {}  # by number, with the version of the row


def role_loaded(roleid: str, version: str) -> Role:
    """Return the role ``roleid`` from the memory of this process, if its row still has this ``version``.

    :param version: of the role's row, which the caller has just read.
    """
    memory_version, role = _roles.get(roleid, ("", None))
    if role is None or memory_version != version:
        # Whatever change comes between the two readings changes the version again: the next request reads once more.
        role = Role.objects.filter(roleid=roleid).first() or Role(roleid=roleid)
        _roles[roleid] = version, role
    return role


def roles_to_give() -> list[tuple[str, str]]:
    """Return number and name of each role but root's, in the order of the numbers."""
    return list(Role.objects.exclude(roleid=ROOT_ROLEID).order_by("roleid").values_list("roleid", "name"))


def menu_names_in_use() -> list[str]:
    """Return the menu names that the form suggests: those of the seeded roles, then those of all other roles."""
    menus = Role.objects.values_list("menu", flat=True)
    return list(dict.fromkeys(name for menu in [FULL_MENU, *menus] for name in menu_names(menu)))
