from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.cache import valkey
from core.ops import backup


class Command(BaseCommand):
    help = "Replace the database and the pictures by those of a backup. Stop web, worker and beat first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what `backup` wrote")
        parser.add_argument("--yes", action="store_true", help="do not ask: everything in the database is replaced")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["yes"] and input("Everything in the database will be replaced. Type 'yes': ") != "yes":
            raise CommandError("Nothing was changed.")
        try:
            manifest = backup.restore(options["file"])
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0)
        # What Valkey remembers of users, roles and tokens belongs to the replaced database.
        valkey.client().flushdb()
        self.stdout.write(f"Restored the state of {manifest['written_at']}. Start web, worker and beat again.")
