from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_delete, post_save


class PermissionsConfig(AppConfig):
    name = "permissions"
    verbose_name = "用户与权限"

    def ready(self) -> None:
        from core.ops.doctor import register_check
        from permissions.doctor import roles_and_calls

        register_check(roles_and_calls)
        for signal in (post_save, post_delete):
            signal.connect(_announce, sender="permissions.Role")


def _announce(**_: Any) -> None:
    # A signal and not a call in the services: roles are also changed in the back office and in a shell, and every
    # process must see each change at its next request.
    from permissions.rights import announce_change

    transaction.on_commit(announce_change)
