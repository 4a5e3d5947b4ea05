from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from permissions import access_report


class Command(BaseCommand):
    help = "Find calls that no role opens and rows that open no call. With --why: explain one decision."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--why",
            nargs=3,
            metavar=("USERNAME", "METHOD", "PATH"),
            help="say whether this user may make this call, and why: --why lbw GET /students/getstulist",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["why"]:
            self.stdout.write(access_report.explain(*options["why"]))
            return
        roles = access_report.all_rights()
        is_sound = self._report("没有声明权限的接口（任何人都不能调用）", access_report.undeclared())
        is_sound &= self._report("不认识的页面（没有角色检查）", access_report.unknown_pages())
        self._report("只有超级管理员能调用的接口（没有角色的 rows 包含它）", access_report.uncovered(roles))
        self._report("不起作用的 rows", [f"{roleid}：{row}" for roleid, row in access_report.idle_rows(roles)])
        if not is_sound:
            raise SystemExit(1)

    def _report(self, title: str, lines: list[str]) -> bool:
        self.stdout.write(f"{title}：{len(lines) or '无'}")
        for line in lines:
            self.stdout.write(f"  {line}")
        return not lines
