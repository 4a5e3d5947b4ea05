from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_delete, post_save


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "用户与权限"

    def ready(self) -> None:
        for signal in (post_save, post_delete):
            signal.connect(_forget_user, sender="accounts.User")


def _forget_user(instance: Any, **_: Any) -> None:
    # Whoever saved the user (service, admin, shell): its next request must see the change.
    from accounts.principal import forget

    transaction.on_commit(lambda: forget(instance.unid))
