from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import times
from operations import alerts, doctor


class Command(BaseCommand):
    help = (
        "Examine settings, engines, upstreams, clocks, certificates, proxies and permissions; say what to do. "
        "The exit code is 1 if anything is wrong."
    )
    requires_system_checks: list[str] = []  # their results are among the findings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--alert", action="store_true", help="tell by ALERT_MAIL_TO and ALERT_WEBHOOKS what is new")

    def handle(self, *args: Any, **options: Any) -> None:
        bad = 0
        findings = list(doctor.examine())
        if options["alert"] and alerts.is_on():
            alerts.alerts_send(findings, now=times.now())
        for finding in findings:
            mark = {True: "ok  ", False: "BAD ", None: "note"}[finding.ok]
            style = {True: self.style.SUCCESS, False: self.style.ERROR, None: self.style.NOTICE}[finding.ok]
            self.stdout.write(f"{style(mark)} {finding.what}")
            if finding.do and not finding.ok:
                self.stdout.write(f"     -> {finding.do}")
            bad += finding.ok is False
        if bad:
            raise CommandError(f"有 {bad} 项要处理。")
        self.stdout.write("一切正常。")
