from django.apps import AppConfig
from django.conf import settings


class LessonsConfig(AppConfig):
    name = "lessons"
    verbose_name = "课堂"

    def ready(self) -> None:
        from permissions.offered_rights import page_rights

        if settings.SANDBOX:
            from lessons.selectors import trainees_named
            from sandbox.callers import trainees

            trainees.set(trainees_named)
        page_rights["lessons.teach"] = ("课堂", "给自己的班上课")
