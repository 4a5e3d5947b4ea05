"""The pages whose rows a member of staff may change as far as the data scope allows."""

from typing import Any

from django.http import HttpRequest

from core.admin.base import OfficeAdmin
from permissions.scope import scope_of


class ScopedAdmin(OfficeAdmin):
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or scope_of(request.user).may_change(obj))
