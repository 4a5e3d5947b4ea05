from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_delete


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "用户与权限"

    def ready(self) -> None:
        _name_devices()
        post_delete.connect(_forget_number, sender="accounts.User")


def _forget_number(instance: Any, **_: Any) -> None:
    """Delete the attempts to log in that hold the number of a deleted user. Called however the user is deleted."""
    from accounts.selectors import records_of  # here, because it loads models, and these are not ready yet

    records_of(instance)["登录尝试"].filter(door="sms").delete()


def _name_devices() -> None:
    # The confirmation page before a user is deleted lists the user's devices, and the library's names are English.
    names = {
        "otp_totp.TOTPDevice": "动态验证码",
        "otp_static.StaticDevice": "恢复码",
        "otp_static.StaticToken": "恢复码",
    }
    for label, name in names.items():
        model: Any = apps.get_model(label)
        model._meta.verbose_name = model._meta.verbose_name_plural = name
        model.__str__ = lambda row, name=name: f"{name} {row.pk}"
