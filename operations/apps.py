from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "operations"
    verbose_name = "运维"

    def ready(self) -> None:
        from operations import checks, servers  # noqa: F401  (registers its metrics)

        # manage.py runs the system checks; web servers and workers do not. Every process runs `ready`.
        checks.refuse_unsafe_start()
