"""How far a run is: in Valkey, since what a run writes is not to be seen before it is complete."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import redis

from core.cache import valkey
from students.transfer.models import TransferRun

# A worker that lives says something far more often than this.
SILENCE = timedelta(seconds=30)
STEP = 500

T = TypeVar("T")


class Progress(NamedTuple):
    done: int
    total: int
    has_started: bool

    @property
    def percent(self) -> int:
        return min(99, self.done * 100 // self.total) if self.total else 0


def _key(run_pk: int) -> str:
    return f"spms:transfer:{run_pk}"


def progress_tell(run_pk: int, done: int, total: int) -> None:
    with suppress(redis.RedisError):  # only the bar stands still
        valkey.client().set(_key(run_pk), f"{done}/{total}", ex=SILENCE)


def progress_end(run_pk: int) -> None:
    with suppress(redis.RedisError):
        valkey.client().delete(_key(run_pk))


def progress_read(run_pk: int) -> Progress:
    found = None
    with suppress(redis.RedisError):
        found = valkey.client().get(_key(run_pk))
    if not found:
        return Progress(0, 0, has_started=False)
    done, _, total = found.decode().partition("/")
    return Progress(int(done), int(total), has_started=True)


def is_stalled(run: TransferRun, now: datetime) -> bool:
    """Tell whether the run seems to have no worker any more: to start it again is then offered, and is safe."""
    return run.is_working and now - run.phase_at > SILENCE and not progress_read(run.pk).has_started


def told(run_pk: int, items: Iterable[T], *, start: int, total: int, step: int = STEP) -> Iterator[T]:
    """Pass ``items`` on and say how far they are: they count from ``start`` on, of ``total``."""
    for done, item in enumerate(items, start):
        if done % step == 0:
            progress_tell(run_pk, done, total)
        yield item
