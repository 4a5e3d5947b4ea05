import gc

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "系统"

    def ready(self) -> None:
        # Importing these modules registers their signals and metrics, and mends Django's forms.
        from core.api import bodies  # noqa: F401
        from core.db import connections
        from core.observe import heartbeat, tracing  # noqa: F401

        connections.look_first()

        # What is loaded by now is never garbage: no later collection need look at it.
        gc.freeze()
        gc.enable()
