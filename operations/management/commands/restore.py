from datetime import datetime
from pathlib import Path
from typing import Any

from celery import current_app
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import times
from core.cache import valkey
from operations import after_restore, backup


class Command(BaseCommand):
    help = (
        "Replace the database and the pictures by those of a backup, or, after pgBackRest has restored the database "
        "(--point), only put right what went on since. Stop web, worker and beat first."
    )
    requires_system_checks: list[str] = []  # one of them fails while a restore is unfinished; this command finishes it

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="a file written by `backup`")
        parser.add_argument(
            "--point", type=datetime.fromisoformat, metavar="TIME", help="such as 2026-01-31T10:30+08:00"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask before everything is replaced")

    def handle(self, *args: Any, **options: Any) -> None:
        file, point = options["file"], options["point"]
        if (file is None) == (point is None):
            raise CommandError("写上备份文件，或者用 --point 写上 pgBackRest 恢复到的时刻。")
        if point and point.tzinfo is None:
            raise CommandError("时刻要带时区：2026-01-31T10:30+08:00")
        question = "数据库里的一切都会被替换。" if file else "所有登录和等待的任务都会结束。"
        if not options["yes"] and input(f"{question}输入 yes 继续：") != "yes":
            raise CommandError("什么也没有改变。")
        backup.refuse_while_it_runs()
        was_unfinished = after_restore.unfinished()
        if point and not was_unfinished and (row := after_restore.row_after(point)):
            raise CommandError(
                f"什么也没有改变：数据库没有恢复到 {point.isoformat()}，{row}。"
                "pgBackRest 失败了吗？如果是恢复到最后，就写最后一行的时刻。"
            )
        # pgBackRest has replaced the database already: there is nothing to remember of it.
        users = after_restore.begin(str(file) if file else f"--point {point.isoformat()}", remembers=bool(file))
        if file:
            try:
                point = backup.restore(file)
            except backup.BackupError:
                if not was_unfinished:
                    after_restore.give_up()
                raise
        call_command("migrate", verbosity=0)
        # Valkey's copies of users, roles and tokens, and the waiting tasks, belong to the replaced database.
        valkey.client().flushdb()
        current_app.control.purge()
        self.stdout.write(f"已恢复到 {point.isoformat()} 的状态。")
        for line in after_restore.finish(users, written_at=point, now=times.now()):
            self.stdout.write(f"- {line}")
        self.stdout.write("请再启动 web、socket、worker 和 beat。")
