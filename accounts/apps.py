from typing import Any

from django.apps import AppConfig, apps


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "用户与权限"

    def ready(self) -> None:
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
