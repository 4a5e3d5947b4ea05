"""The accounts of students: users of ``accounts`` that belong to one."""

from collections.abc import Iterable

from django.db.models import TextChoices

from accounts.models import User
from accounts.services.users import users_disable
from permissions.models import ROOT_ROLEID


class Fate(TextChoices):
    """What becomes of the accounts of students who leave."""

    KEEP = "keep", "保留，还能登录"
    DISABLE = "disable", "停用，不能再登录"
    DELETE = "delete", "删除，不能恢复"


def accounts_settle(account_pks: Iterable[int | None], fate: str) -> list[int]:
    """Keep, disable or delete the accounts of students who leave, but none of staff; return those it has disabled."""
    users = User.objects.filter(pk__in=[pk for pk in account_pks if pk], is_staff=False)
    users = users.exclude(role__roleid=ROOT_ROLEID)
    if fate == Fate.DELETE:
        users.delete()
    if fate != Fate.DISABLE:
        return []
    pks = list(users.filter(is_active=True).order_by().values_list("pk", flat=True))
    users_disable(user_pks=pks)
    return pks
