"""Put things right after a restore: the rows are those of an earlier time, but WeChat and the clients went on.

An app registers a :class:`RestoreHook`: ``remember`` reads what must not be forgotten before the database is replaced,
``follow`` acts afterwards. What was remembered is kept in a file, so that it survives an interruption. While the
file exists the restore has not ended, and no process of the system starts.
"""

import json
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
class RestoreHook:
    """What one app does about a restore.

    :param remember: called before the database is replaced; returns what must not be forgotten of it, as JSON values.
    :param follow: called once the backup is in place and before anything else starts. Puts things right, and returns
        a sentence for the engineer about each step, which ``restore`` prints. Gets the result of ``remember``, or None
        if the replaced database could not be read. May run twice.
    """

    name: str
    follow: Callable[[Restoration, Any], Iterable[str]]
    remember: Callable[[], Any] = lambda: None


_hooks: list[RestoreHook] = []


def register_restore_hook(hook: RestoreHook) -> None:
    _hooks.append(hook)


def begin(source: str, *, remembers: bool = True) -> Memory:
    """Note that a restore begins, and return what the apps remember of the database it replaces.

    :param source: how ``restore`` is called to finish it.
    :param remembers: False if the database is replaced already.
    """
    if (earlier := _unfinished()) is not None:
        return earlier["memory"]  # a second attempt: the replaced database may be gone already
    memory = {hook.name: _remembered(hook) for hook in _hooks if remembers}
    _marker().parent.mkdir(parents=True, exist_ok=True)
    _marker().touch(0o600)  # it holds names
    _marker().write_text(json.dumps({"source": source, "memory": memory}, ensure_ascii=False), "utf-8")
    return memory


def give_up() -> None:
    """Note that the restore changed nothing."""
    _marker().unlink(missing_ok=True)


def finish(memory: Memory, *, written_at: datetime, now: datetime) -> Iterable[str]:
    """Let every app put things right, and yield what each has done. Afterwards the system may start again."""
    restoration = Restoration.objects.create(written_at=written_at, restored_at=now)
    for hook in _hooks:
        yield from hook.follow(restoration, memory.get(hook.name))
    _marker().unlink(missing_ok=True)


def unfinished() -> str:
    """Return the arguments of a `restore` that has begun and not ended, else ""."""
    return (_unfinished() or {"source": ""})["source"]


def latest() -> Restoration | None:
    return Restoration.objects.first()


def _remembered(hook: RestoreHook) -> Any:
    try:
        return hook.remember()
    except DatabaseError:  # empty or damaged: that is often the reason for a restore
        log.warning("the replaced database could not be read", app=hook.name)
        return None


def _marker() -> Path:
    return Path(settings.STATE_DIR) / "restoring.json"


def _unfinished() -> dict[str, Any] | None:
    try:
        return json.loads(_marker().read_text("utf-8"))
    except FileNotFoundError:
        return None
