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
        if not request.user.rights.may_call(view.path, view.access):
            raise NotPermitted
        return True
