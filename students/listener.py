"""How students tells higher apps, such as attendance and dormitory, what happens: they register functions to be called.

Each is called in the transaction of the change, after it. If one raises, the whole change is undone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.registers import Registers


@dataclass(frozen=True)
class StudentsListener:
    """What an app registers in :data:`listeners`; what it leaves out does nothing.

    ``class_renamed`` (``before``, ``after``): a class has got another name, or all its students went to another class.
    Returns what ``class_rename_undone`` (``before``, ``after``, ``note``) needs, as JSON can hold it.
    ``students_gone`` and ``students_back`` (``pks``, ``now``): students were archived or deleted, or are back.
    """

    class_renamed: Callable[..., Any] = lambda **facts: None
    class_rename_undone: Callable[..., None] = lambda **facts: None
    students_gone: Callable[..., None] = lambda **facts: None
    students_back: Callable[..., None] = lambda **facts: None


listeners = Registers[StudentsListener]()  # by the app, whose notes a run keeps under this name


def tell_renamed(*, before: str, after: str) -> dict[str, Any]:
    """Tell every app, and return their notes by app."""
    return {app: one.class_renamed(before=before, after=after) for app, one in listeners.items()}


def tell_rename_undone(*, before: str, after: str, notes: dict[str, Any]) -> None:
    for app, one in listeners.items():
        if app in notes:
            one.class_rename_undone(before=before, after=after, note=notes[app])


def tell_gone(pks: Sequence[int], now: datetime) -> None:
    for one in listeners.values():
        one.students_gone(pks=pks, now=now)


def tell_back(pks: Sequence[int], now: datetime) -> None:
    for one in listeners.values():
        one.students_back(pks=pks, now=now)
