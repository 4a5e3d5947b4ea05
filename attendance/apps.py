from django.apps import AppConfig


class AttendanceConfig(AppConfig):
    name = "attendance"
    verbose_name = "考勤"

    def ready(self) -> None:
        from attendance.panels import class_panel, student_panel
        from attendance.services import sessions_rename, sessions_rename_undo
        from students.listener import StudentsListener, register_listener
        from students.panels import register_class_panel, register_student_panel

        renamed = StudentsListener(class_renamed=sessions_rename, class_rename_undone=sessions_rename_undo)
        register_listener("attendance", renamed)
        register_class_panel(class_panel)
        register_student_panel(student_panel)
