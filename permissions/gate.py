"""The role gate: the one place that lets a request through to an API view, or does not."""

from typing import Any

from rest_framework.permissions import BasePermission

from core.api.access import Access
from core.errors import LoginRequired, NotPermitted


class RoleGate(BasePermission):
    """Deny by default: a view without ``access`` is closed to everybody, root included."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if view.access is Access.OPEN:
            return True
        if request.user is None:
            raise LoginRequired
        # A role may name a call by its documented path or by an alias.
        if not any(request.user.rights.may_call(path, view.access) for path in view.paths):
            raise NotPermitted
        return True
