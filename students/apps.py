from django.apps import AppConfig


class StudentsConfig(AppConfig):
    name = "students"
    verbose_name = "学员"

    def ready(self) -> None:
        from accounts import admin, usernames
        from permissions import scope
        from students.classes import campuses, classes_of_user
        from students.panels import student_line
        from students.selectors import number_owners

        scope.classes_of_user.set(classes_of_user)
        admin.student_line.set(student_line)
        admin.campus_names.set(campuses)
        usernames.number_owners.set(number_owners)
