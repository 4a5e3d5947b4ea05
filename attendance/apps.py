from django.apps import AppConfig


class AttendanceConfig(AppConfig):
    name = "attendance"
    verbose_name = "考勤"

    def ready(self) -> None:
        from attendance.services import sessions_rename, sessions_rename_undo
        from students.listener import StudentsListener, register_listener

        register_listener(
            "attendance",
            StudentsListener(class_renamed=sessions_rename, class_rename_undone=sessions_rename_undo),
        )
