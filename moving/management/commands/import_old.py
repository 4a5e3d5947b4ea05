from contextlib import closing
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import times
from core.errors import DomainError
from core.times import local
from moving.dump import Dump, ImportRefused
from moving.pictures import Pictures, addresses_left
from moving.report import Report
from moving.run import COLLECTIONS, alone, dump_import, taken_back


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
        now, pictures, is_check = times.now(), options["pictures"], options["check"]
        if pictures and not pictures.is_dir():
            raise CommandError(f"{pictures} 不是文件夹")
        try:
            dump = Dump.find(options["folder"], COLLECTIONS, now=now, is_check=is_check)
            with taken_back() if is_check else alone():
                report = Report(options["report"] or settings.STATE_DIR / "moving" / f"{local(now):%Y%m%d-%H%M%S}")
                with closing(report.file):
                    try:
                        dump_import(dump, report, self._tell)
                        if pictures:
                            Pictures(pictures, dump, report).bring(self._tell)
                    finally:  # also of a run that stopped
                        self.stderr.write("")  # ends the line of the progress
                        self.stdout.write("\n".join(report.lines()))
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from None
        except KeyboardInterrupt:
            raise CommandError("已停止。再运行一次就接着做") from None
        except DomainError as refusal:  # the decoder or the store of pictures
            raise CommandError(f"{refusal.msg}。再运行一次就接着做") from None
        if is_check:
            self.stdout.write("这是检查，没有写入任何数据。")
        elif number := addresses_left():
            self.stdout.write(f"还有 {number:,} 个地址指向旧服务器的图片：找到文件后加上 --pictures 再运行一次即可。")
        if report.cuts:
            places = "、".join(report.cuts)
            raise CommandError(f"文件不完整：读到 {places} 为止，后面的没有带入。请重新导出，再运行一次")

    def _tell(self, what: str, number: int) -> None:
        self.stderr.write(f"{what} {number:,}", ending="\r")
