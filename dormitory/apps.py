from django.apps import AppConfig


class DormitoryConfig(AppConfig):
    name = "dormitory"
    verbose_name = "宿舍"

    def ready(self) -> None:
        from dormitory.services import stays_end, stays_resume
        from students.listener import StudentsListener, register_listener

        register_listener("dormitory", StudentsListener(students_gone=stays_end, students_back=stays_resume))
