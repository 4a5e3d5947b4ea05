"""System checks that stop a process with dangerous settings before it serves a request."""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from core.db.installation import installation_refusal
from operations import after_restore

# 1.1.0 read these. Where one is still set, somebody expects what no longer happens (docs/adr/0009).
GONE = ("SENTRY_DSN", "SMS_SHIPPED_TEMPLATE_CODE", "SMS_REFUNDED_TEMPLATE_CODE", "DATABASE_DIRECT_URL", "DB_PREPARE")


@register()
def settings_are_safe(**_: Any) -> list[Error]:
    if not settings.DEPLOYED:
        return []
    errors = []
    if settings.SANDBOX and not settings.PRACTICE:
        errors.append(Error("SANDBOX is on in production.", hint="Unset SANDBOX or set it to 0.", id="core.E001"))
    if settings.PRACTICE and not settings.SANDBOX:
        errors.append(Error("SANDBOX is off on a practice server.", hint="Unset SANDBOX.", id="core.E005"))
    if settings.PRACTICE and (host := urlsplit(settings.WEB_URL).hostname) not in settings.ALLOWED_HOSTS:
        hint = f"Add {host}: the stand-ins are called by it (WEB_URL)."
        errors.append(Error("ALLOWED_HOSTS is too narrow for the stand-ins.", hint=hint, id="core.E006"))
    if settings.DEMO_DATA:
        msg = f"DEMO_DATA is on in {settings.KIND}."
        errors.append(Error(msg, hint="Unset DEMO_DATA or set it to 0.", id="core.E002"))
    # Keys with these beginnings stand in the repository: the development default, and the example for systemd.
    if len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith(("development", "replace")):
        errors.append(Error("DJANGO_SECRET_KEY is too weak.", hint="Use 50 random characters.", id="core.E003"))
    # Release 1.1.0 made no session settings behind a pooler; ours would hold for others' connections, too.
    if os.environ.get("DB_POOLER", "none") != "none":
        hint = "Point DATABASE_URL at PostgreSQL itself, and unset DB_POOLER."
        errors.append(Error("DB_POOLER is no longer served.", hint=hint, id="core.E008"))
    return errors


@register()
def settings_are_read(**_: Any) -> list[CheckMessage]:
    names = [name for name in GONE if os.environ.get(name)]
    hint = "从环境文件里删掉；用什么代替见 docs/adr/0009。"
    return [CheckWarning(f"{'、'.join(names)} 不再起作用。", hint=hint, id="core.W001")] if names else []


@register()
def database_is_ours(**_: Any) -> list[Error]:
    try:
        refusal = installation_refusal() if settings.DEPLOYED else ""
    except psycopg.Error:
        return []  # it does not answer, which others say better; the next start asks again
    hint = "Give this server a database of its own (DATABASE_URL)."
    return [Error(refusal, hint=hint, id="core.E007")] if refusal else []


@register()
def restore_is_finished(**_: Any) -> list[Error]:
    # The last steps of a restore put tokens, open orders and money right: without them nothing may run.
    if not (source := after_restore.unfinished()):
        return []
    hint = f"再运行一次 `manage.py restore {source}`，直到做完。"
    return [Error("恢复没有做完。", hint=hint, id="core.E004")]


def refuse_unsafe_start() -> None:
    """Stop a process that must not start.

    :raises ImproperlyConfigured: settings are unsafe, the database is another kind of server's, or a restore has not
        ended. Only the first is checked under ``manage.py``: it runs the system checks itself, except for ``restore``,
        which must be able to start.
    """
    errors = settings_are_safe()
    if Path(sys.argv[0]).name != "manage.py":
        errors += database_is_ours() + restore_is_finished()
    if errors:
        raise ImproperlyConfigured(" ".join(f"{error.msg} {error.hint}" for error in errors))
