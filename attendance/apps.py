from django.apps import AppConfig


class AttendanceConfig(AppConfig):
    name = "attendance"
    verbose_name = "考勤"

    def ready(self) -> None:
        from attendance.panels import class_panel, student_panel
        from attendance.services import sessions_rename, sessions_rename_undo
        from students.listener import StudentsListener, listeners
        from students.panels import class_panels, student_panels

        renamed = StudentsListener(class_renamed=sessions_rename, class_rename_undone=sessions_rename_undo)
        listeners[self.name], class_panels[self.name], student_panels[self.name] = renamed, class_panel, student_panel
