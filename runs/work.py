"""What becomes of a run: it is sent to a worker, moves from state to state, and may fail, stall and start again.

A worker does its part in one transaction that holds the run's row, or in many short ones, each of which does some of
it and notes it. A worker that is killed leaves nothing half-done. A second worker at the same time finds the row locked
and leaves. To start a run again is always safe.

How far it is stands in Valkey: what the work writes to the database shows only after its commit.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import redis
import structlog
from django.db import transaction

from core.cache import valkey
from core.db.connections import limits_raise
from core.errors import DomainError
from core.queues import task_send
from runs.errors import RunNotReady
from runs.models import FAILED, Run

log = structlog.get_logger("runs")

R = TypeVar("R", bound=Run)
T = TypeVar("T")

KEEP_FOR = timedelta(days=7)  # files and rows hold personal data
# Two imports of the same students wait for each other. No page waits for them, so they may take this long.
MAX_STATEMENT_TIME = timedelta(minutes=5)
# A worker that lives writes its progress far more often than this.
SILENCE = timedelta(seconds=30)
PROGRESS_EVERY = 500  # rows


# --- What a person does ---
def run_send(run: Run, *, expires_s: float | None = None) -> None:
    """Let a worker take the run once this is committed."""
    # If the broker is down, the run stays, and its page offers to start it again.
    task_send(run.task, run.pk, expires_s=expires_s)


def run_move(run: Run, states: Sequence[str], refusal: str | None = None, **changes: object) -> None:
    """Change a run that is in one of the states; of two at once, one succeeds.

    :raises RunNotReady: it is in another one.
    """
    if not type(run)._default_manager.filter(pk=run.pk, state__in=states).update(**changes):
        raise RunNotReady(refusal)


@contextmanager
def run_held(run: R, states: Sequence[str]) -> Iterator[R]:
    """Lock a run that waits for a person in one of the states; give it as it is now.

    :raises RunNotReady: it is in another one, or a worker or another request has it.
    """
    with transaction.atomic():
        held = type(run)._default_manager.select_for_update(skip_locked=True, of=("self",)).filter(pk=run.pk).first()
        if held is None or held.state not in states:
            raise RunNotReady
        yield held


def run_pass_on(
    run: Run, states: Sequence[str], now: datetime, *, refusal: str | None = None, **changes: object
) -> None:
    """Change a run that is in one of the states, as :func:`run_move` does, and let a worker take it."""
    with transaction.atomic():
        run_move(run, states, refusal, phase_at=now, message="", **changes)
        run_send(run)


def run_restart(*, run: Run, now: datetime) -> None:
    """Send the run to a worker once more: one that waits for a person begins anew, another goes on where it stands.

    :raises RunNotReady: it is over.
    """
    # Asked, not written: an update would wait for a worker that is at it after all.
    if type(run)._default_manager.filter(pk=run.pk, state__in=run.working).exists():
        run_send(run)
    else:
        run_pass_on(run, run.waiting, now, state=run.working[0])


def run_is_stalled(run: Run, now: datetime) -> bool:
    """Tell whether the run seems to have lost its worker. Its page then offers to start it again."""
    return run.is_working and now - run.phase_at > SILENCE and not progress_read(run).has_started


# --- What a worker does ---
def run_work(run: R, do: Callable[[R], tuple[int, int] | None]) -> None:
    """Call ``do``, again while it leaves work, each time in a transaction that holds the run's row; save the run.

    :param do: does all of the work, or a step of it and returns how much is done and how much is left. If it raises,
        nothing of this step is written but the reason (``Run.failure``).
    """
    done, rest = 0, 1
    try:
        while rest:
            with transaction.atomic():
                limits_raise(MAX_STATEMENT_TIME)
                locked = _run_lock(run)
                if locked is None:  # a person undoes it, or another worker is at it
                    return
                if not done:
                    progress_write(run, 0, 0)
                done, rest = do(locked) or (0, 0)
                locked.save()
            progress_write(run, done, done + rest)
    except Exception as error:
        _fail(run, error)
    progress_end(run)


def _run_lock(run: R) -> R | None:
    """Lock the run if it still is in the state in which the worker found it, and no other worker has it."""
    runs = type(run)._default_manager.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return runs.filter(pk=run.pk, state=run.state).first()


def _fail(run: Run, error: Exception) -> None:
    state, message = run.failure
    if isinstance(error, DomainError) and state == FAILED:
        message = error.msg[:500]
    else:
        log.exception("run failed", kind=run._meta.label, run=run.pk)
    type(run)._default_manager.filter(pk=run.pk, state=run.state).update(state=state, message=message)


# --- How far it is ---
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
