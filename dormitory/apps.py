from django.apps import AppConfig


class DormitoryConfig(AppConfig):
    name = "dormitory"
    verbose_name = "宿舍"

    def ready(self) -> None:
        from dormitory.panels import class_panel, student_panel
        from dormitory.services import stays_end, stays_resume
        from students.listener import StudentsListener, listeners
        from students.panels import class_panels, student_panels

        gone = StudentsListener(students_gone=stays_end, students_back=stays_resume)
        listeners[self.name], class_panels[self.name], student_panels[self.name] = gone, class_panel, student_panel
