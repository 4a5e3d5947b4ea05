from django.apps import AppConfig


class PermissionsConfig(AppConfig):
    name = "permissions"
    verbose_name = "用户与权限"

    def ready(self) -> None:
        from core.ops.doctor import register_check
        from permissions.doctor import roles_and_calls

        register_check(roles_and_calls)
