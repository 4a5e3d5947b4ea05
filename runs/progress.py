"""How far a run is. Valkey keeps it: what the work writes to the database shows only after its commit."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple, TypeVar

import redis

from core.cache import valkey
from runs.models import Run

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


def progress_write(run: Run, done: int, total: int) -> None:
    """Note how far the run is."""
    with suppress(redis.RedisError):  # only the bar stands still
        valkey.client().set(run.progress_key, f"{done}/{total}", ex=SILENCE)


def progress_end(run: Run) -> None:
    with suppress(redis.RedisError):
        valkey.client().delete(run.progress_key)


def progress_read(run: Run) -> Progress:
    with suppress(redis.RedisError):
        if text := valkey.client().get(run.progress_key):
            done, _, total = text.decode().partition("/")
            return Progress(int(done), int(total), has_started=True)
    return Progress(0, 0, has_started=False)


def with_progress(
    items: Iterable[T], run: Run, *, total: int, start: int = 0, every: int = PROGRESS_EVERY
) -> Iterator[T]:
    """Pass ``items`` on, and write how far they are: the first one is number ``start`` of ``total``."""
    for number, item in enumerate(items, start):
        if number % every == 0:
            progress_write(run, number, total)
        yield item
