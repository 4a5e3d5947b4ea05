"""How far background work is. Valkey keeps it: what the work writes to the database shows only after its commit."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, TypeVar

import redis

from core.cache import valkey

T = TypeVar("T")
# A worker that lives writes its progress far more often than this.
SILENCE = timedelta(seconds=30)
PROGRESS_EVERY = 500  # rows


class Progress(NamedTuple):
    done: int
    total: int
    has_started: bool

    @property
    def percent(self) -> int:
        return min(99, self.done * 100 // self.total) if self.total else 0


def progress_write(work: int | str, done: int, total: int) -> None:
    """Note how far ``work`` is: the key of a run of students, or a text that names other work."""
    with suppress(redis.RedisError):  # only the bar stands still
        valkey.client().set(_key(work), f"{done}/{total}", ex=SILENCE)


def progress_end(work: int | str) -> None:
    with suppress(redis.RedisError):
        valkey.client().delete(_key(work))


def progress_read(work: int | str) -> Progress:
    text = None
    with suppress(redis.RedisError):
        text = valkey.client().get(_key(work))
    if not text:
        return Progress(0, 0, has_started=False)
    done, _, total = text.decode().partition("/")
    return Progress(int(done), int(total), has_started=True)


def with_progress(
    items: Iterable[T], work: int | str, *, total: int, start: int = 0, every: int = PROGRESS_EVERY
) -> Iterator[T]:
    """Pass ``items`` on, and write how far they are: the first one is number ``start`` of ``total``."""
    for number, item in enumerate(items, start):
        if number % every == 0:
            progress_write(work, number, total)
        yield item


def _key(work: int | str) -> str:
    return f"spms:transfer:{work}"
