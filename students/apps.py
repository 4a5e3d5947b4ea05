from django.apps import AppConfig


class StudentsConfig(AppConfig):
    name = "students"
    verbose_name = "学员"

    def ready(self) -> None:
        from accounts.usernames import register_number_owners
        from students.selectors import number_owners

        register_number_owners(number_owners)
