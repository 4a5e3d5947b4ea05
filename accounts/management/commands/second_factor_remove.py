from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services.second_factor import second_factor_remove


class Command(BaseCommand):
    help = (
        "Remove a user's second factor. For a user who has lost phone and recovery codes while no other root can help."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.select_related("role").filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        if not second_factor_remove(user=user):
            raise CommandError(f"{username} has no second factor.")
        self.stdout.write(f"{username} logs in to the back office with the password alone now.")
