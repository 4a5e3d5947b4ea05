from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "系统"

    def ready(self) -> None:
        # The imports register checks, signals and figures.
        from core.db import pool
        from core.observe import tracing  # noqa: F401
        from core.ops import checks, heartbeat, proxies, upstreams  # noqa: F401

        # manage.py runs the checks, a web server or a worker would not: every process passes here.
        checks.refuse_unsafe_start()
        pool.look_first()
