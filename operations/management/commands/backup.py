from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from django.utils import timezone

from core import times
from core.models import Backup
from operations import backup
from operations.servers import has_pgbackrest


class Command(BaseCommand):
    help = "Write the database and the pictures into one file. Safe while the system runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="default: backup-YYYYMMDD-HHMMSS.tar in this folder")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.localtime()
        target = options["file"] or Path(f"backup-{now:%Y%m%d-%H%M%S}.tar")
        if target.exists():
            raise CommandError(f"已经有 {target}，什么也没有写。")
        backup.write(target, now=now)
        with suppress(ProgrammingError):  # there is no such table yet: an upgrade backs up before it migrates
            if not has_pgbackrest():
                Backup.objects.create(finished_at=times.now())
        self.stdout.write(f"{target}：{target.stat().st_size / 1_000_000:.1f} MB。请放在只有你读得到的地方。")
