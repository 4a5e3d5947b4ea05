"""Questions about roles."""

from django.conf import settings
from django.db.models import QuerySet

from permissions.models import Role
from permissions.roleparts import menu_names, menu_problem
from permissions.seed import FULL_MENU


def role_list(*, roleid: str | None = None) -> QuerySet[Role]:
    """Roles in the order they were made; only the one called ``roleid`` when it is given."""
    roles = Role.objects.order_by("pk").only("roleid", "name")
    return (roles if roleid is None else roles.filter(roleid=roleid))[: settings.API_MAX_ROWS]


def menu_names_in_use() -> list[str]:
    """Names that clients know: those of the seed first, then what other roles' menus hold."""
    menus = [menu for menu in Role.objects.values_list("menu", flat=True) if menu_problem(menu) is None]
    return list(dict.fromkeys(name for menu in [FULL_MENU, *menus] for name in menu_names(menu)))
