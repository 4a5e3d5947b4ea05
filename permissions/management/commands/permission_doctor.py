from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from permissions import doctor


class Command(BaseCommand):
    help = "检查接口与角色权限之间的漏洞;--why 解释某个用户能否调用某个接口"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--why",
            nargs=3,
            metavar=("USERNAME", "METHOD", "PATH"),
            help="例如 --why lbw GET /students/getstulist",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["why"]:
            self.stdout.write(doctor.why(*options["why"]))
            return
        roles = doctor.all_rights()
        is_sound = self._report("没有声明权限的接口 (任何人都不能调用)", doctor.undeclared())
        is_sound &= self._report("不认识的页面 (没有角色检查)", doctor.unknown_pages())
        self._report("只有超级管理员能调用的接口 (没有角色的 rows 包含它)", doctor.uncovered(roles))
        self._report("不起作用的 rows", [f"{roleid}: {row}" for roleid, row in doctor.idle_rows(roles)])
        if not is_sound:
            raise SystemExit(1)

    def _report(self, title: str, found: list[str]) -> bool:
        self.stdout.write(f"{title}: {len(found) or '无'}")
        for line in found:
            self.stdout.write(f"  {line}")
        return not found
