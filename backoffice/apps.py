from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import pre_save


class BackofficeConfig(AppConfig):
    name = "backoffice"
    verbose_name = "管理后台"

    def ready(self) -> None:
        from backoffice import metrics  # noqa: F401  (registers its metrics)
        from backoffice.audit import watch_logs, watch_models
        from core.audit import name_actor

        watch_models()
        watch_logs()
        _name_rights()
        pre_save.connect(name_actor, sender="auditlog.LogEntry")


def _name_rights() -> None:
    # The page that asks before a role is deleted lists its rights by these names; without them it does in English.
    through: Any = apps.get_model("permissions.Role").permissions.through
    through._meta.verbose_name = through._meta.verbose_name_plural = "后台权限"
    through.__str__ = lambda row: f"后台权限 {row.permission_id}"
