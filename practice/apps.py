from django.apps import AppConfig


class PracticeConfig(AppConfig):
    name = "practice"
    verbose_name = "练习"

    def ready(self) -> None:
        from practice.services import terms_move, terms_move_undo
        from students.listener import StudentsListener, listeners

        listeners[self.name] = StudentsListener(class_renamed=terms_move, class_rename_undone=terms_move_undo)
