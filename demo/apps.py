from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "demo"
    verbose_name = "演示数据"

    def ready(self) -> None:
        from lessons.services import demo_reset

        demo_reset.set(_reset)


def _reset() -> list[str]:
    from demo.data import demo_reset  # here, because few processes ever call it

    return demo_reset()
