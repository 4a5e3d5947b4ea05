"""How long a user is VIP, and of which level. Who pays for it is another app's affair."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User


@transaction.atomic
def vip_lengthen(*, user_pk: int, level: int, span: timedelta, now: datetime) -> tuple[int, datetime, datetime]:
    """Add ``span`` from ``now``, or from the end of what is left, whichever is later.

    The level never falls: it is ``level`` or, while the VIP runs, the present one if that is higher.

    :returns: the level before, and from when to when the added time runs; both ``now`` for a VIP without an end.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user_pk)
    current = user.vip_level_at(now)
    user.vip_level = max(level, current)
    if current and user.vip_expires_at is None:
        begins = ends = now
    else:
        begins = user.vip_expires_at if current and user.vip_expires_at else now
        ends = user.vip_expires_at = begins + span
    user.save(update_fields=["vip_level", "vip_expires_at"])
    return current, begins, ends


@transaction.atomic
def vip_shorten(*, user_pk: int, span: timedelta, level: int, now: datetime) -> None:
    """Take ``span`` back from the end; what is left after it is of ``level``."""
    user = User.objects.select_for_update(no_key=True).get(pk=user_pk)
    if user.vip_expires_at is None:
        return  # without an end there is nothing to take from
    user.vip_expires_at -= span
    if user.vip_expires_at <= now or not level:
        user.vip_level, user.vip_expires_at = 0, None
    else:
        user.vip_level = level
    user.save(update_fields=["vip_level", "vip_expires_at"])
