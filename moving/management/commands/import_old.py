import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import times
from core.errors import DomainError
from core.times import local
from moving.dump import ImportRefused
from moving.pictures import Figures, addresses_left, pictures_bring
from moving.report import ImportReport
from moving.run import Import, alone
from moving.translation import ImportRun

TELL_EVERY_S = 2.0


class Command(BaseCommand):
    help = (
        "迁入旧系统的数据 (Bring the data of the old server, from mongoexport or mongodump files, without --archive). "
        "Killed at any moment, or with a newer dump, run it again: it brings what is not here yet. "
        "Ends with 1 if a file is cut off."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds students.json, users.bson, … (also .gz)")
        parser.add_argument(
            "--pictures", type=Path, metavar="FOLDER", help="holds the old server's avatar, imgs and productPic"
        )
        parser.add_argument("--check", action="store_true", help="do all of it, report, and take it back")
        parser.add_argument("--report", type=Path, metavar="FOLDER", help="a new folder for the report's file")

    def handle(self, *args: Any, **options: Any) -> None:
        now = times.now()
        if options["pictures"] and not options["pictures"].is_dir():
            raise CommandError(f"{options['pictures']} 不是文件夹")
        folder = options["report"] or Path(settings.STATE_DIR) / "moving" / f"{local(now):%Y%m%d-%H%M%S}"
        run = ImportRun(is_check=options["check"], now=now, pictures=options["pictures"])
        self._told_at = 0.0
        try:
            with nullcontext() if run.is_check else alone():
                cuts = self._go(folder, options["folder"], run)
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from None
        except KeyboardInterrupt:
            raise CommandError("已停止。再运行一次就接着做") from None
        except DomainError as refusal:  # the decoder or the store of pictures
            raise CommandError(f"{refusal.msg}。再运行一次就接着做") from None
        if cuts:
            raise CommandError(f"有 {len(cuts)} 个文件不完整，见上面")

    def _go(self, report_folder: Path, folder: Path, run: ImportRun) -> list[str]:
        """Import and report; return where files end before their end."""
        try:
            report = ImportReport(report_folder)
        except OSError as error:
            raise ImportRefused(f"无法建立 {report_folder}：{error.strerror}") from None
        with closing(report):
            others = Import(run, report, self._tell).folder(folder)
            try:
                if run.pictures and not run.is_check:
                    report.pictures = Figures()
                    pictures_bring(run.pictures, run.now, self._tell, report.pictures)
            finally:  # also of a run that stopped among the pictures
                self.stdout.write(report.end())
            for path in others:
                self.stdout.write(f"没有读取：{path}")
        if run.is_check:
            self.stdout.write("这是检查，没有写入任何数据。")
        elif number := addresses_left():
            self.stdout.write(f"还有 {number:,} 个地址指向旧服务器的图片：找到文件后加上 --pictures 再运行一次即可。")
        return report.cuts

    def _tell(self, label: str, number: int) -> None:
        if time.monotonic() - self._told_at >= TELL_EVERY_S:
            self.stderr.write(f"{label} {number:,}")
            self._told_at = time.monotonic()
