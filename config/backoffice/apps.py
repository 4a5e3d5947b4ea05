from django.apps import AppConfig
from django.db.models.signals import pre_save


class BackofficeConfig(AppConfig):
    name = "config.backoffice"
    label = "backoffice"
    verbose_name = "管理后台"

    def ready(self) -> None:
        from config.backoffice import metrics  # noqa: F401  (registers its figures)
        from config.backoffice.audit import watch_models
        from core.audit import name_actor

        watch_models()
        pre_save.connect(name_actor, sender="auditlog.LogEntry")
