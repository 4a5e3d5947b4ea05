from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from permissions.services.roles import roles_seed


class Command(BaseCommand):
    help = "创建接口约定的角色;已有的角色保持不变,除非使用 --reset"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reset", action="store_true", help="把这些角色恢复为初始内容")

    def handle(self, *args: Any, **options: Any) -> None:
        written = roles_seed(reset=options["reset"])
        self.stdout.write(f"角色: 写入 {'、'.join(written)}" if written else "角色: 已是最新")
