from django.apps import AppConfig


class MovingConfig(AppConfig):
    name = "moving"
    verbose_name = "数据迁入"

    def ready(self) -> None:
        from core.ops.doctor import register_check
        from moving.rebase import addresses_of_pictures  # models cannot be loaded earlier

        register_check(addresses_of_pictures)
