from datetime import datetime
from pathlib import Path
from typing import Any

from celery import current_app
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core.cache import valkey
from core.ops import backup, restored


class Command(BaseCommand):
    help = "Replace the database and the pictures by those of a backup. Stop web, worker and beat first."
    requires_system_checks: list[str] = []  # one of them fails while a restore is unfinished; this command finishes it

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file written by `backup`")
        parser.add_argument("--yes", action="store_true", help="do not ask before everything is replaced")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["yes"] and input("Everything in the database will be replaced. Type 'yes': ") != "yes":
            raise CommandError("Nothing was changed.")
        try:
            backup.refuse_while_it_runs()
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        was_unfinished = restored.unfinished()
        memory = restored.begin(options["file"])
        try:
            manifest = backup.restore(options["file"])
        except backup.BackupError as error:
            if not was_unfinished:
                restored.give_up()
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0)
        # Valkey's copies of users, roles and tokens, and the waiting tasks, belong to the replaced database.
        valkey.client().flushdb()
        current_app.control.purge()
        self.stdout.write(f"Restored the state of {manifest['written_at']}.")
        written_at = datetime.fromisoformat(manifest["written_at"])
        for line in restored.finish(memory, written_at=written_at, now=timezone.now()):
            self.stdout.write(f"- {line}")
        self.stdout.write("Start web, socket, worker and beat again.")
