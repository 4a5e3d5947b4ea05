"""The role gate: decides for every API request whether the caller may make it (``DEFAULT_PERMISSION_CLASSES``)."""

from typing import Any

from rest_framework.permissions import BasePermission

from core.api.access import Access
from core.errors import LoginRequired, NotPermitted


class RoleGate(BasePermission):
    """Let a request through if the view's ``access`` allows the caller; without ``access`` nobody may, not even root.

    :raises LoginRequired: the request has no valid token. :raises NotPermitted: the role does not allow the call.
    """

    def has_permission(self, request: Any, view: Any) -> bool:
        if view.access is Access.OPEN:
            return True
        caller = request.user
        if caller is None:
            raise LoginRequired
        if caller.rights.may_call(view.paths, view.access):
            return True
        raise NotPermitted
