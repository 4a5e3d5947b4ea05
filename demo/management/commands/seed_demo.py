from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.services.seed import accounts_seed, root_password_file
from demo.data import demo_reset, demo_seed


class Command(BaseCommand):
    help = "Create the root account and, if DEMO_DATA is on, the demo accounts and data. May be repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reset",
            action="store_true",
            help="set demo accounts, their passwords and the demo data back to the initial state; nothing else",
        )
        parser.add_argument(
            "--clear-shop", action="store_true", help="with --reset: take all other products and categories off sale"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = demo_reset(clears_shop=options["clear_shop"]) if options["reset"] else []
            accounts = accounts_seed()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        for account in accounts:
            # Containers keep what is written here as a log.
            known = "（ROOT_PASSWORD 的值）" if settings.DEPLOYED else account.password
            shown = known if account.password else "（密码已修改）"
            self.stdout.write(f"账号：{account.username} / {shown}  {account.role}")
        if root_password_file().exists():
            self.stdout.write(f"root 的初始密码保存在 {root_password_file()}")
        if settings.DEMO_DATA and not options["reset"]:
            lines = demo_seed()
        for line in lines:
            self.stdout.write(line)
