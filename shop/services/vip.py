"""VIP time as a product: a paid order lengthens its buyer's VIP once, a refund takes it back once."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, Max

from accounts.models import User
from accounts.services.vip import vip_lengthen, vip_shorten
from shop.errors import VipLevelTooLow
from shop.models import Order, VipGrant


def vip_check(*, buyer_pk: int, levels: Iterable[int], now: datetime) -> None:
    """Refuse an order of VIP time below the buyer's present level; 0 among ``levels`` stands for goods.

    :raises VipLevelTooLow: one of ``levels`` is.
    """
    bought = [level for level in levels if level]
    if bought and min(bought) < User.objects.get(pk=buyer_pk).vip_level_at(now):
        raise VipLevelTooLow


def vip_grant(*, order: Order, now: datetime) -> bool:
    """Add the VIP time that a paid order bought; return whether the order contains only VIP time. Its row is locked."""
    lines = list(order.lines.order_by("pk"))
    granted = set(VipGrant.objects.filter(line__order=order).values_list("line_id", flat=True))
    for line in lines:
        if not line.vip_level or line.pk in granted or order.user_id is None:
            continue
        span = timedelta(days=line.vip_days * line.quantity)
        before, begins, ends = vip_lengthen(user_pk=order.user_id, level=line.vip_level, span=span, now=now)
        VipGrant.objects.create(
            line=line,
            user_id=order.user_id,
            level=line.vip_level,
            level_before=before,
            begins_at=begins,
            ends_at=ends,
        )
    return all(line.vip_level for line in lines)


def vip_revoke(*, order: Order, now: datetime, lines: Iterable[int] | None = None) -> None:
    """Take back the VIP time of an order, or of ``lines`` (their keys), except what has been used up.

    The order's row is locked.
    """
    grants = VipGrant.objects.select_for_update().filter(line__order=order, revoked_at=None)
    if lines is not None:
        grants = grants.filter(line__in=lines)
    for grant in grants.order_by("-pk"):
        grant.revoked_at = now
        grant.save(update_fields=["revoked_at"])
        if grant.ends_at > now:
            _take_back(grant, now)


def _take_back(grant: VipGrant, now: datetime) -> None:
    span = grant.ends_at - grant.begins_at
    others = VipGrant.objects.filter(user_id=grant.user_id, revoked_at=None)
    remaining = others.filter(ends_at__gt=now).aggregate(level=Max("level"))["level"]
    vip_shorten(user_pk=grant.user_id, span=span, level=remaining or grant.level_before, now=now)
    later = others.filter(begins_at__gte=grant.ends_at)
    later.update(begins_at=F("begins_at") - span, ends_at=F("ends_at") - span)
