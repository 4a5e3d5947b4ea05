from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "系统"

    def ready(self) -> None:
        from core import checks, postgres, proxies, pulse, tracing  # noqa: F401  (register signals, checks, figures)

        # manage.py runs the checks, a web server or a worker would not: every process passes here.
        checks.refuse_unsafe_start()
        postgres.look_first()
