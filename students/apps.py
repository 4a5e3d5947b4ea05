from django.apps import AppConfig


class StudentsConfig(AppConfig):
    name = "students"
    verbose_name = "学员"

    def ready(self) -> None:
        from accounts import usernames
        from permissions import scope
        from students.classes import classes_of_user
        from students.selectors import number_owners

        scope.classes_of_user.set(classes_of_user)
        usernames.number_owners.set(number_owners)
