from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from accounts.services.seed import accounts_seed, root_password_file


class Command(BaseCommand):
    help = "创建 root 账号;演示数据开启时再创建演示账号和各应用的演示数据 (可反复运行)"

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = accounts_seed()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        for account in found:
            self.stdout.write(f"账号: {account.username} / {account.password or '(密码已修改)'}  {account.role}")
        if root_password_file().exists():
            self.stdout.write(f"root 的初始密码保存在 {root_password_file()}")
        if settings.DEMO_DATA:
            self._seed_apps()

    def _seed_apps(self) -> None:
        # An app that has demo data of its own offers `<app>/demo.py` with `seed() -> str`.
        for config in apps.get_app_configs():
            if config.path.startswith(str(settings.BASE_DIR)) and find_spec(f"{config.name}.demo"):
                self.stdout.write(f"{config.verbose_name}: {import_module(f'{config.name}.demo').seed()}")
