"""Put things right after a restore: the rows are those of an earlier time, but WeChat and the clients went on.

What must not be forgotten of the replaced database is kept in a file, so that it survives an interruption. While the
file exists the restore has not ended, and no process of the system starts.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, ProgrammingError
from django.db.models import Max

from accounts.services.after_restore import users_follow, users_remember
from core.models import Restoration
from payments.services.after_restore import payments_after_restore
from shop.services.after_restore import orders_after_restore

log = structlog.get_logger("operations")
# The fields that say when a row was made. Whatever people and workers do leaves such a row.
MADE_AT = {"created_at", "logged_in_at", "received_at", "restored_at", "timestamp"}


def begin(source: str, *, remembers: bool = True) -> Any:
    """Note that a restore begins, and return the users of the database that it replaces; None if they are unknown.

    :param source: how ``restore`` is called to finish it.
    :param remembers: False if the database is replaced already.
    """
    if earlier := _note():
        return earlier["memory"].get("accounts")  # a second attempt: the replaced database may be gone already
    users = None
    if remembers:
        try:
            users = users_remember()
        except DatabaseError:  # empty or damaged: that is often the reason for a restore
            log.warning("the replaced database could not be read")
    _marker().parent.mkdir(parents=True, exist_ok=True)
    _marker().touch(0o600)  # it holds names
    text = json.dumps({"source": source, "memory": {"accounts": users}}, ensure_ascii=False)
    _marker().write_text(text, "utf-8")
    return users


def row_after(point: datetime) -> str:
    """Name a table with a row that was made after ``point``, and its time; "" if there is none.

    With such a row the database was not restored to ``point``: logins must not end, nor queues be purged.
    """
    fields = [field for model in apps.get_models() for field in model._meta.concrete_fields if field.name in MADE_AT]
    for field in fields:
        with suppress(ProgrammingError):  # the database is of an earlier release, which has no such column
            newest = field.model._base_manager.aggregate(newest=Max(field.name))["newest"]
            if newest and newest > point:
                return f"{field.model._meta.db_table} 里有一行是 {newest.isoformat()} 的"
    return ""


def give_up() -> None:
    """Note that the restore changed nothing."""
    _marker().unlink(missing_ok=True)


def finish(users: Any, *, written_at: datetime, now: datetime) -> Iterable[str]:
    """Let the apps put things right, and yield a sentence for the engineer about each step. May run twice.

    Afterwards the system may start again.
    """
    restoration = Restoration.objects.create(written_at=written_at, restored_at=now)
    yield from users_follow(restoration, users)
    yield from payments_after_restore(restoration)
    yield from orders_after_restore(restoration)
    _marker().unlink(missing_ok=True)


def unfinished() -> str:
    """Return the arguments of a `restore` that has begun and not ended, else ""."""
    return str(_note().get("source", ""))


def _marker() -> Path:
    return Path(settings.STATE_DIR) / "restoring.json"


def _note() -> dict[str, Any]:
    return json.loads(_marker().read_text("utf-8")) if _marker().exists() else {}
