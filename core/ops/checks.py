"""System checks: contradictory settings stop the process before it serves anybody."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register
from django.core.exceptions import ImproperlyConfigured


@register()
def production_is_safe(**_: Any) -> list[Error]:
    if not settings.PRODUCTION:
        return []
    errors = []
    if settings.SANDBOX:
        errors.append(Error("SANDBOX is on in production.", hint="Unset SANDBOX or set it to 0.", id="core.E001"))
    if settings.DEMO_DATA:
        errors.append(Error("DEMO_DATA is on in production.", hint="Unset DEMO_DATA or set it to 0.", id="core.E002"))
    # What begins so is ours and known to everybody: the default, and the example for systemd.
    if len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith(("development", "replace")):
        errors.append(Error("DJANGO_SECRET_KEY is too weak.", hint="Use 50 random characters.", id="core.E003"))
    return errors


def refuse_unsafe_start() -> None:
    """:raises ImproperlyConfigured: production settings with anything that only helps in development."""
    if errors := production_is_safe():
        raise ImproperlyConfigured(" ".join(f"{error.msg} {error.hint}" for error in errors))
