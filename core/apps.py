import gc

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "系统"

    def ready(self) -> None:
        # Importing these modules registers their checks, signals and metrics.
        from core.db import pool
        from core.observe import sentry, tracing  # noqa: F401
        from core.ops import checks, heartbeat, servers  # noqa: F401

        # manage.py runs the system checks; web servers and workers do not. Every process runs `ready`.
        checks.refuse_unsafe_start()
        sentry.begin()
        pool.look_first()

        # What is loaded by now is never garbage: no later collection need look at it.
        gc.freeze()
        gc.enable()
