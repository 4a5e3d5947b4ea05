"""Findings about a deployment, each with what to do. Apps add their own checks."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import requests
from django.conf import settings
from django.core.checks import WARNING, run_checks
from django.db import connection

from core import health, valkey

CLOCK_SKEW_S = 60


@dataclass(frozen=True)
class Finding:
    """``ok`` is None where the check does not apply."""

    ok: bool | None
    what: str
    do: str = ""


Check = Callable[[], Iterator[Finding]]
_checks: list[Check] = []


def register(check: Check) -> Check:
    _checks.append(check)
    return check


def examine() -> Iterator[Finding]:
    """Run every check; one that fails itself is a finding, too."""
    for check in _checks:
        try:
            yield from check()
        except Exception as error:
            yield Finding(False, f"{check.__name__.replace('_', ' ')}: {type(error).__name__}: {error}", "See above.")


@register
def settings_and_models() -> Iterator[Finding]:
    serious = [message for message in run_checks() if message.level >= WARNING and not message.is_silenced()]
    for message in serious:
        yield Finding(False, f"{message.id}: {message.msg}", message.hint or "")
    if not serious:
        yield Finding(True, "Settings and models are consistent")
    if not settings.PRODUCTION:
        yield Finding(None, "Development settings", "Production: DJANGO_SETTINGS_MODULE=config.settings.production")


@register
def engines() -> Iterator[Finding]:
    remedies = {
        "database": "Is PostgreSQL running, is DATABASE_URL right?",
        "valkey": "Is Valkey/Redis running, is REDIS_URL right?",
        "migrations": "Run `python manage.py migrate`.",
    }
    failed = health.failures()
    for name, remedy in remedies.items():
        yield Finding(name not in failed, f"{name}: {failed.get(name, 'in order')}", remedy if name in failed else "")


@register
def clocks() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        of_database = float(cursor.fetchone()[0])
    of_valkey = float(valkey.client().time()[0])
    for name, theirs in (("PostgreSQL", of_database), ("Valkey", of_valkey)):
        skew = abs(time.time() - theirs)
        yield Finding(
            skew < CLOCK_SKEW_S,
            f"Clock of {name} differs by {skew:.0f} s",
            "" if skew < CLOCK_SKEW_S else "Set up NTP.",
        )


@register
def upstreams() -> Iterator[Finding]:
    for name in ("WECHAT_API_BASE_URL", "WECHAT_PAY_BASE_URL", "WEATHER_BASE_URL"):
        address = getattr(settings, name)
        try:
            answer = requests.get(address, timeout=5, allow_redirects=False)
        except requests.RequestException as error:
            remedy = (
                "The sandbox answers while `make up` runs."
                if settings.SANDBOX
                else "Check network, proxy and firewall."
            )
            yield Finding(False, f"{name} does not answer: {type(error).__name__}", remedy)
            continue
        theirs = answer.headers.get("Date")
        yield Finding(True, f"{name} answers" + (f" (its clock: {theirs})" if theirs else ""))
