from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

# Each fills columns that are new since 1.1.0, in all rows that lack them. They may run twice.
MIGRATIONS = (
    "students.migrations.0018_fill_life",
    "payments.migrations.0017_fill_paid_twice",
    "shop.migrations.0017_fill_log_codes",
)


class Command(BaseCommand):
    help = (
        "Fill what 1.1.0 has left out of rows that it wrote on our tables: during an upgrade, or after one was taken "
        "back. Run it when no process of 1.1.0 runs any more. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in MIGRATIONS:
            for operation in import_module(name).Migration.operations:
                with connection.cursor() as cursor:
                    cursor.execute(operation.sql)
