"""System checks that stop a process with dangerous settings before it serves a request."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured

from operations import restored


@register()
def production_is_safe(**_: Any) -> list[Error]:
    if not settings.PRODUCTION:
        return []
    errors = []
    if settings.SANDBOX:
        errors.append(Error("SANDBOX is on in production.", hint="Unset SANDBOX or set it to 0.", id="core.E001"))
    if settings.DEMO_DATA:
        errors.append(Error("DEMO_DATA is on in production.", hint="Unset DEMO_DATA or set it to 0.", id="core.E002"))
    # Keys with these beginnings stand in the repository: the development default, and the example for systemd.
    if len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith(("development", "replace")):
        errors.append(Error("DJANGO_SECRET_KEY is too weak.", hint="Use 50 random characters.", id="core.E003"))
    return errors


@register()
def restore_is_finished(**_: Any) -> list[Error]:
    # The last steps of a restore put tokens, open orders and money right: without them nothing may run.
    if not (source := restored.unfinished()):
        return []
    hint = f"Run `manage.py restore {source}` again, to its end."
    return [Error("A restore was begun and has not ended.", hint=hint, id="core.E004")]


def refuse_unsafe_start() -> None:
    """Stop a process that must not start.

    :raises ImproperlyConfigured: production settings are unsafe, or a restore has not ended. The second is not checked
        under ``manage.py``: it runs the system checks itself, except for ``restore``, which must be able to start.
    """
    errors = production_is_safe()
    if Path(sys.argv[0]).name != "manage.py":
        errors += restore_is_finished()
    if errors:
        raise ImproperlyConfigured(" ".join(f"{error.msg} {error.hint}" for error in errors))
