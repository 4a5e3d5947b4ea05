"""Questions about roles."""

from django.conf import settings
from django.db.models import QuerySet

from permissions.models import Role


def role_list(*, roleid: str | None = None) -> QuerySet[Role]:
    """Roles in the order they were made; only the one called ``roleid`` when it is given."""
    roles = Role.objects.order_by("pk").only("roleid", "name")
    return (roles if roleid is None else roles.filter(roleid=roleid))[: settings.API_MAX_ROWS]
