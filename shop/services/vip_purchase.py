"""VIP time as a product: a paid order lengthens its buyer's VIP once, a refund takes it back once."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum

from accounts.models import User
from accounts.services.vip import vip_lengthen, vip_shorten, vip_spans
from shop.errors import VipLevelTooLow, VipTooLong
from shop.models import Order, OrderLine, VipGrant
from shop.order_states import State

MAX_DAYS = 3653  # ten years: no order may make a buyer's VIP reach beyond that


def vip_check(*, buyer_pk: int, lines: Iterable[OrderLine], now: datetime) -> None:
    """Refuse an order of VIP time that its buyer may not have.

    :raises VipLevelTooLow: a level is below the buyer's present one.
    :raises VipTooLong: with what is ordered and not paid yet, the VIP would reach beyond ten years from now.
    """
    vip_lines = [line for line in lines if line.vip_level]
    if not vip_lines:
        return
    buyer = User.objects.get(pk=buyer_pk)
    if min(line.vip_level for line in vip_lines) < buyer.vip_level_at(now):
        raise VipLevelTooLow
    rest = sum((rest for rest in vip_spans(buyer, now).values() if rest), timedelta())
    # All open orders may be paid. Orders of one buyer are placed one after the other, so each counts those before it.
    unpaid = OrderLine.objects.filter(order__user=buyer_pk, order__state=State.OPEN, vip_level__gt=0)
    if sum(line.vip_days * line.quantity for line in [*vip_lines, *unpaid]) > MAX_DAYS - rest / timedelta(days=1):
        raise VipTooLong


def vip_grant(*, order: Order, now: datetime) -> bool:
    """Add the VIP time that a paid order bought; return whether the order contains only VIP time. Its row is locked."""
    lines = list(order.lines.order_by("pk"))
    for line in lines:
        if not line.vip_level or order.user_id is None:
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
    """Take back the unused VIP time of an order, or of ``lines`` (their keys). The order's row is locked."""
    grants = _grants(order) if lines is None else _grants(order).filter(line__in=lines)
    for grant in grants:
        grant.revoked_at = now
        grant.save(update_fields=["revoked_at"])
        vip_shorten(user_pk=grant.user_id, level=grant.level, span=_unused(grant, now), now=now)


def vip_has_begun(*, order: Order, now: datetime) -> bool:
    """Tell whether some of the VIP time of an order is used. The order's row is locked."""
    return any(_unused(grant, now) < grant.span for grant in _grants(order))


def _grants(order: Order) -> QuerySet[Any]:
    """Return an order's grants with their user, and in ``later`` the time of the same level that was granted later.

    One statement reads all that ``_unused`` needs. Another purchase or refund at this instant changes what is left and
    what is later by the same time, so it changes nothing for these grants, and the user needs no lock.
    """
    later = VipGrant.objects.filter(
        user=OuterRef("user"), level=OuterRef("level"), revoked_at=None, pk__gt=OuterRef("pk")
    )
    span = later.order_by().values("level").annotate(sum=Sum(F("ends_at") - F("begins_at"))).values("sum")
    grants = VipGrant.objects.filter(line__order=order, revoked_at=None)
    return grants.select_related("user").annotate(later=Subquery(span)).order_by("-pk")


def _unused(grant: Any, now: datetime) -> timedelta:
    """Return how much of a grant its user still has.

    Time of a level is used in the order of its grants. So what is left of the level belongs to the later ones first.
    """
    rest = vip_spans(grant.user, now).get(grant.level, timedelta())
    if rest is None:
        return grant.span
    return max(timedelta(), min(grant.span, rest - (grant.later or timedelta())))
