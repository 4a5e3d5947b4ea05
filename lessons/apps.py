from django.apps import AppConfig


class LessonsConfig(AppConfig):
    name = "lessons"
    verbose_name = "课堂"

    def ready(self) -> None:
        from permissions.choices import right_offer

        right_offer("lessons", "teach", ("课堂", "课堂", "给自己的班上课"))
