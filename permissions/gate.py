"""The role gate: decides for every API request whether the caller may make it (``DEFAULT_PERMISSION_CLASSES``).

During the read-only hours of a class its accounts may only read. Valkey keeps when they end: so they end by themselves,
need no column in the table of users, and are asked for only before such an account changes something.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from rest_framework.permissions import BasePermission

from core.api.access import Access
from core.cache import ratelimit, valkey
from core.errors import LoginRequired, NotPermitted, Throttled
from core.observe.tracing import about

_READ_ONLY = "spms:read-only:"
_PACE_S = 1


class RoleGate(BasePermission):
    """Let a request through if the call's ``access`` allows the caller; without ``access`` none may, not even root.

    :raises LoginRequired: the request has no valid token.
    :raises NotPermitted: the role does not allow the call, or its class may only read.
    :raises Throttled: on a practice server, the account has made ``PRACTICE_CALLS`` calls within a second.
    """

    def has_permission(self, request: Any, view: Any) -> bool:
        call = view.endpoint
        if settings.PRACTICE and request.user is not None:
            _keep_pace(request.user.unid)
        if call.access is Access.OPEN:
            return True
        caller = request.user
        if caller is None:
            raise LoginRequired
        if not caller.role.may_call(call.paths, call.access):
            raise NotPermitted
        is_reading = call.is_reading or call.is_quick
        if caller.class_name and not is_reading and read_only_until(caller.class_name):
            about(read_only="yes")  # so that nobody takes it for a mistake of the client
            raise NotPermitted
        return True


def _keep_pace(unid: str) -> None:
    with suppress(redis.RedisError):  # without Valkey there is no limit
        if wait_s := ratelimit.hit(f"pace:{unid}", limit=settings.PRACTICE_CALLS, window_s=_PACE_S):
            raise Throttled(wait_s)


def read_only_set(class_name: str, *, ends_at: datetime, now: datetime) -> None:
    """Let the accounts of a class only read until ``ends_at``; if that is not after ``now``, let them change again."""
    if ends_at > now:
        valkey.client().set(_READ_ONLY + class_name, ends_at.isoformat(), px=ends_at - now)
    else:
        valkey.client().delete(_READ_ONLY + class_name)


def read_only_until(class_name: str) -> datetime | None:
    """Return when the read-only hours of a class end; None if there are none, or Valkey does not answer."""
    try:
        ends_at = valkey.client().get(_READ_ONLY + class_name)
    except redis.RedisError:
        return None
    return datetime.fromisoformat(ends_at.decode()) if ends_at else None


def read_only_move(before: str, after: str) -> None:
    """Let read-only hours follow a class that got another name; those that ``after`` has itself stay as they are."""
    try:
        valkey.client().renamenx(_READ_ONLY + before, _READ_ONLY + after)
        valkey.client().delete(_READ_ONLY + before)
    except redis.RedisError:
        pass  # there were none, or they end without us
