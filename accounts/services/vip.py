"""Lengthen and shorten a user's VIP. The payment is the business of shop."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User


@transaction.atomic
def vip_lengthen(*, user_pk: int, level: int, span: timedelta, now: datetime) -> tuple[int, datetime, datetime]:
    """Add ``span`` to a user's VIP. The added time begins when the present VIP ends, or now if there is none.

    The new level is ``level``, or the present one if that is higher.

    :returns: the level before, and begin and end of the added time; both are ``now`` if the VIP has no end.
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
    """Take ``span`` off the end of a user's VIP; the time that is left has ``level``."""
    user = User.objects.select_for_update(no_key=True).get(pk=user_pk)
    if user.vip_expires_at is None:
        return  # a VIP without an end cannot be shortened
    user.vip_expires_at -= span
    if user.vip_expires_at <= now or not level:
        user.vip_level, user.vip_expires_at = 0, None
    else:
        user.vip_level = level
    user.save(update_fields=["vip_level", "vip_expires_at"])
