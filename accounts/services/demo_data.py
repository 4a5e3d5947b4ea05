"""Create and reset the demo data of all apps.

An app with demo data has a module ``demo`` with the functions ``seed()`` and ``reset()``. Both return a line in Chinese
that tells staff what they did.
"""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction

from accounts.services.seed import demo_accounts_reset


def demo_seed() -> list[str]:
    """Create the demo data that is missing, without changing what is there; return a line for each app."""
    return [f"{name}：{demo.seed()}" for name, demo in _demos()]


@transaction.atomic
def demo_reset() -> list[str]:
    """Set demo accounts, their passwords and the demo data back to the initial state; other data is not touched.

    :raises ImproperlyConfigured: demo data is off.
    """
    accounts = demo_accounts_reset()
    return [f"演示账号：恢复 {accounts} 个", *(f"{name}：{demo.reset()}" for name, demo in _demos())]


def _demos() -> Iterator[tuple[str, Any]]:
    for config in apps.get_app_configs():
        if (settings.BASE_DIR / config.name / "demo.py").is_file() and find_spec(f"{config.name}.demo"):
            yield str(config.verbose_name), import_module(f"{config.name}.demo")
