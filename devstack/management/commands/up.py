from typing import Any

from django.core.management.base import BaseCommand

from devstack import supervisor


class Command(BaseCommand):
    help = "Start everything (engines where no URL is set, web, worker, beat) and keep it running until Ctrl-C."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(supervisor.main())
