from django.apps import AppConfig


class StudentsConfig(AppConfig):
    name = "students"
    verbose_name = "学员"

    def ready(self) -> None:
        from accounts import usernames
        from students.selectors import number_owners

        usernames.number_owners.set(number_owners)
