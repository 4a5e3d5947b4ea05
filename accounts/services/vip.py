"""Lengthen and shorten a user's VIP, level by level. The payment is the business of shop.

The highest level with time left runs, and what is left of a lower one follows it. The user's columns hold the level
that runs and its end; ``vip_rest`` holds what is left of the lower ones.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User

# For each level with time left how much is left; None: without an end.
Spans = dict[int, timedelta | None]


def vip_spans(user: User, now: datetime) -> Spans:
    """Return what is left of each level."""
    spans: Spans = {}
    begins = now
    for level, ends in user.vip_ends():
        if ends is None:
            spans[level] = None
            break  # what is below never runs
        if ends > begins:
            spans[level] = ends - begins
            begins = ends
    return spans


@transaction.atomic
def vip_lengthen(*, user_pk: int, level: int, span: timedelta, now: datetime) -> tuple[int, datetime, datetime]:
    """Add ``span`` to one level of a user's VIP.

    :returns: the level that ran before, and begin and end of the added time as things stand; both are ``now`` where
        the level, or a higher one, has no end.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user_pk)
    spans, current = vip_spans(user, now), user.vip_level_at(now)
    before = [rest for name, rest in spans.items() if name >= level]
    is_endless = None in before
    if not is_endless:
        spans[level] = (spans.get(level) or timedelta()) + span
        _keep(user, spans, now)
    begins = now if is_endless else now + sum(filter(None, before), timedelta())
    return current, begins, begins if is_endless else begins + span


@transaction.atomic
def vip_shorten(*, user_pk: int, level: int, span: timedelta, now: datetime) -> None:
    """Take ``span`` off one level of a user's VIP, or what is left of it; time without an end stays."""
    user = User.objects.select_for_update(no_key=True).get(pk=user_pk)
    spans = vip_spans(user, now)
    if rest := spans.get(level):
        spans[level] = max(rest - span, timedelta())
        _keep(user, spans, now)


def _keep(user: User, spans: Spans, now: datetime) -> None:
    rows = sorted(((level, rest) for level, rest in spans.items() if rest != timedelta()), reverse=True)
    level, rest = rows[0] if rows else (0, None)
    user.vip_level, user.vip_expires_at = level, now + rest if rest else None
    user.vip_rest = [[level, rest.total_seconds() if rest else None] for level, rest in rows[1:]] or None
    user.save(update_fields=["vip_level", "vip_expires_at", "vip_rest"])
