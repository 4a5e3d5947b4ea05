"""Users after a restore of the database: all tokens and sessions end, and disabled users stay disabled."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, Max, QuerySet, Value
from django.db.models.functions import Greatest

from accounts.models import User
from accounts.services.users import users_disable
from core.models import Restoration

MAX_NAMED = 20
_ZERO = datetime(2020, 1, 1, tzinfo=UTC)


def users_remember() -> dict[str, Any]:
    """Collect, before the database is replaced, the users, the disabled ones, and the highest epoch."""
    return {
        "epoch": User.objects.aggregate(most=Max("epoch"))["most"] or 0,
        "known": list(User.objects.order_by("pk").values_list("unid", flat=True)),
        "disabled": list(User.objects.filter(is_active=False).order_by("pk").values_list("unid", flat=True)),
    }


def users_follow(restoration: Restoration, memory: Any) -> Iterator[str]:
    """End every token and session, and disable users again who were disabled after the backup.

    Yields sentences for the person who restores.
    """
    # A token issued after the backup carries an epoch that the restored database does not know, and it must not match.
    # Epochs count single events, so the seconds since 2020 are higher than any epoch a token can carry.
    seconds = int((restoration.restored_at - _ZERO).total_seconds())
    epoch = max(seconds, memory["epoch"] + 1 if memory else 0)
    number = User.objects.update(epoch=Greatest(F("epoch") + 1, Value(epoch)))
    yield f"所有令牌和会话都已失效：{number} 个用户要重新登录，用备份时的密码。"
    back = User.objects.filter(is_active=True)
    if memory is None or not back.filter(unid__in=memory["known"]).exists():
        # There was no database, or one of another installation (a new machine): none of its users is ours.
        yield "不知道备份之后停用、删除了谁：请核对用户列表。"
        return
    users = back.filter(unid__in=memory["disabled"])
    if pks := list(users.order_by("pk").values_list("pk", flat=True)):
        yield f"备份之后停用的，再次停用：{_names(users)}。"
        users_disable(user_pks=pks)
    deleted_users = back.exclude(unid__in=memory["known"])
    if deleted_users.exists():
        # To bring them back may be the very reason of the restore, so a person has to decide.
        yield f"备份之后删除的用户又在了：{_names(deleted_users)}。"


def _names(users: QuerySet[User]) -> str:
    names = list(users.order_by("pk").values_list("username", flat=True)[: MAX_NAMED + 1])
    return "、".join(names[:MAX_NAMED]) + (" 等" if len(names) > MAX_NAMED else "")
