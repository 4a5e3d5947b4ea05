from typing import Any

from django.core.management.base import BaseCommand

from devstack import reset


class Command(BaseCommand):
    help = "Delete the data of the embedded engines and the pictures that belong to it. Stop `make up` first."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise SystemExit(reset.main())
