from typing import Any

from django.core.management.base import BaseCommand

from devstack import reset


class Command(BaseCommand):
    help = "Forget the data of the embedded engines, and its pictures. Refuses while they run."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(reset.main())
