"""Ceilings on what one account of a practice server may have. Elsewhere, and for staff, there are none."""

from collections.abc import Callable

from django.conf import settings

from accounts.errors import CeilingReached
from accounts.models import User


def ceiling_keep(
    *, user_pk: int | None, limit: int, unit: int = 1, what: str, count: Callable[[], int], more: int = 1,
    advice: str = "请先删除一些",
) -> None:  # fmt: skip
    """Refuse what would go beyond ``limit``. Call it in the transaction that adds: the account stays locked to its end.

    :param unit: how many of what ``count`` returns make one of ``limit``.
    :param what: follows the number in the refusal, for example ``名学员``.
    :param count: asks how many the account has.
    :raises CeilingReached: nothing was added.
    """
    if settings.PRACTICE and _is_limited(user_pk) and count() + more > limit * unit:
        raise CeilingReached(f"练习账号最多{limit}{what},{advice}")


def _is_limited(user_pk: int | None) -> bool:
    # Two calls at once would both find room for the last one.
    users = User.objects.filter(pk=user_pk or 0, is_staff=False).order_by("pk")
    return users.select_for_update(no_key=True).values_list("pk", flat=True).first() is not None
