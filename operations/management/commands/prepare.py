from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from operations import health
from uploads.errors import StoreFull


class Command(BaseCommand):
    help = "Bring the database up to date: migrations, roles, the root account, demo data. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        # If our code cannot be imported, fail once here, instead of in every web worker over and over.
        import_string(settings.ASGI_APPLICATION)
        if faults := health.failures(["valkey"]):
            raise CommandError(f"REDIS_URL: Valkey does not answer ({faults['valkey']}).")
        call_command("migrate", interactive=False, verbosity=0)
        call_command("seed_roles")
        try:
            call_command("seed_demo")  # root always; the rest only with DEMO_DATA on
        except StoreFull as error:
            raise CommandError(f"the disk is full: {settings.MEDIA_FREE_MB} MB stay free (MEDIA_FREE_MB).") from error
