"""What follows a restore: the rows have gone back in time, the world has not.

An app registers what it must do then. ``remember`` is asked before the database is replaced, while it can still be
read. What it answers survives an interruption: it is kept in a file, whose presence says that a restore has begun and
has not ended. Nothing starts while it is there.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError

from core.models import Restoration

log = structlog.get_logger("core")
Memory = dict[str, Any]


@dataclass(frozen=True)
class Follower:
    """One app's part.

    :param remember: what of the replaced database must not be forgotten, fit for JSON.
    :param follow: does what must be done and says it, a sentence for the engineer each. Gets what ``remember``
        answered, None where the replaced database could not be read. May run twice.
    """

    name: str
    follow: Callable[[Restoration, Any], Iterable[str]]
    remember: Callable[[], Any] = lambda: None


_followers: list[Follower] = []


def register(follower: Follower) -> None:
    _followers.append(follower)


def begin(source: Path) -> Memory:
    """Note that a restore begins, and answer what the apps remember of the database it replaces."""
    if (known := _unfinished()) is not None:
        return known["memory"]  # the database it replaces is gone already
    memory = {follower.name: _remembered(follower) for follower in _followers}
    _marker().parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"source": str(source), "memory": memory}, ensure_ascii=False)
    with os.fdopen(os.open(_marker(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return memory


def give_up() -> None:
    """Note that the restore changed nothing."""
    _marker().unlink(missing_ok=True)


def finish(memory: Memory, *, written_at: datetime, now: datetime) -> Iterable[str]:
    """Have every app do its part, and yield what each has done. Only then may anything start again."""
    restoration = Restoration.objects.create(written_at=written_at, restored_at=now)
    for follower in _followers:
        yield from follower.follow(restoration, memory.get(follower.name))
    _marker().unlink(missing_ok=True)


def unfinished() -> str:
    """Which file a restore began with that has not ended; "" when there is none."""
    known = _unfinished()
    return known["source"] if known else ""


def latest() -> Restoration | None:
    return Restoration.objects.first()


def _remembered(follower: Follower) -> Any:
    try:
        return follower.remember()
    except DatabaseError:  # an empty database, or none that answers: why else would one restore
        log.warning("the replaced database could not be read", app=follower.name)
        return None


def _marker() -> Path:
    return Path(settings.STATE_DIR) / "restoring.json"


def _unfinished() -> dict[str, Any] | None:
    try:
        return json.loads(_marker().read_text("utf-8"))
    except FileNotFoundError:
        return None
