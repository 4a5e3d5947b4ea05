from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from permissions.doctor import explain, roles_and_calls


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
            self.stdout.write(explain(*options["why"]))
            return
        findings = list(roles_and_calls())
        for finding in findings:
            self.stdout.write(f"{finding.what}. {finding.do}".rstrip())
        if any(finding.ok is False for finding in findings):
            raise SystemExit(1)
