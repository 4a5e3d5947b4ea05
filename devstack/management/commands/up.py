from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from devstack import supervisor


class Command(BaseCommand):
    help = "Start everything (engines where no URL is set, web, worker, beat) and keep it running until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--engines", action="store_true", help="start only PostgreSQL and Valkey, for `restore`")

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(supervisor.main(engines_alone=options["engines"]))
