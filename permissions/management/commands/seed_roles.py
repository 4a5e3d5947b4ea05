from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.db.installation import AnotherServers, installation_mark
from permissions.services.roles import roles_seed


class Command(BaseCommand):
    help = "Create the four roles of the contract. Existing ones stay as they are, unless --reset is given."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reset", action="store_true", help="set the four roles back to what the contract says")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            installation_mark()  # here, because every way to begin or upgrade comes by, before the first account
        except AnotherServers as refusal:
            raise CommandError(refusal.msg) from None
        roleids = roles_seed(reset=options["reset"])
        self.stdout.write(f"角色：写入 {'、'.join(roleids)}" if roleids else "角色：已是最新")
