"""The life of a run: started, worked on by a task, confirmed, started again, given up, undone.

A task works inside one transaction that holds the run's row (:func:`run_do`), or inside one after the other, each of
which does a part and notes it (:func:`run_in_steps`). Killed half-way it leaves nothing half-done, a second task at the
same time finds the row taken and goes, and to start again is always safe.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from core.db.limits import statements_may_take
from core.errors import DomainError
from students.transfer.errors import RunNotReady
from students.transfer.models import WORKING, TransferFile, TransferRow, TransferRun
from students.transfer.progress import is_stalled, progress_end, progress_tell
from uploads.services import images_release

log = structlog.get_logger("students.transfer")

Kind, State = TransferRun.Kind, TransferRun.State
# Files and rows hold personal data: they go, what was done stays.
KEEP_FOR = timedelta(days=7)
PURGE_BATCH = 1_000
# Two imports of the same students wait for each other, and nobody waits for them before a page.
MOST_STATEMENT = timedelta(minutes=5)


@dataclass(frozen=True)
class Steps:
    """``do`` takes some rows of the kinds ``todo`` and leaves each as one of the kinds ``results``."""

    do: Callable[[TransferRun, list[TransferRow]], None]
    todo: tuple[TransferRow.Kind, ...]
    results: tuple[TransferRow.Kind, ...]
    size: int = 500


def run_start(
    *,
    kind: str,
    user_pk: int | None,
    now: datetime,
    file_name: str,
    source: bytes | None = None,
    options: dict[str, Any] | None = None,
) -> TransferRun:
    """Note a run and let a worker take it once this is committed."""
    file_name = "".join(c for c in file_name if c.isprintable())[-120:] or "file"
    with transaction.atomic():
        run = TransferRun.objects.create(
            kind=kind, created_by_id=user_pk, created_at=now, phase_at=now, file_name=file_name, options=options or {}
        )
        if source is not None:
            TransferFile.objects.create(run=run, role=TransferFile.Role.SOURCE, name=file_name, content=source)
        run_send(run)
    return run


def run_confirm(*, run: TransferRun, user_pk: int | None, now: datetime, options: dict[str, Any] | None = None) -> None:
    """Let a worker write what the preview showed, in the name of ``user_pk``.

    :raises RunNotReady: it is not waiting for that, or no longer.
    """
    with transaction.atomic():
        changes: dict[str, Any] = {"state": State.APPLYING, "phase_at": now, "confirmed_by_id": user_pk}
        changes["options"] = run.options | (options or {})
        if not TransferRun.objects.filter(pk=run.pk, state=State.READY).update(**changes):
            raise RunNotReady
        run_send(run)


def run_cancel(*, run: TransferRun, now: datetime) -> None:
    """:raises RunNotReady: it is being worked on, or over."""
    open_ones = TransferRun.objects.filter(pk=run.pk, state__in=[State.READY, State.REFUSED, State.FAILED])
    if not open_ones.update(state=State.CANCELLED, finished_at=now):
        raise RunNotReady


def run_restart(*, run: TransferRun, now: datetime) -> None:
    """Send it to a worker once more: where it stands, or from the check on after it failed.

    :raises RunNotReady: it is over, or its file is gone.
    """
    with transaction.atomic():
        again = [State.FAILED, State.READY, State.REFUSED]
        if TransferRun.objects.filter(pk=run.pk, state__in=again).update(
            state=State.CHECKING, phase_at=now, message="", finished_at=None
        ):
            pass
        elif not TransferRun.objects.filter(pk=run.pk, state__in=WORKING).exists():
            raise RunNotReady
        run_send(run)


def run_can_undo(run: TransferRun, now: datetime) -> bool:
    """Tell whether the run can be taken back: a deletion also while it is at work, which stops it."""
    states = {Kind.IMPORT: [State.DONE], Kind.DELETE: [State.DONE, State.APPLYING]}.get(Kind(run.kind), [])
    return run.state in states and now - run.created_at < KEEP_FOR


def run_undo(*, run: TransferRun, user_pk: int | None, now: datetime) -> None:
    """Let a worker take back what the run has done, in the name of ``user_pk``.

    :raises RunNotReady: it is no such run, being undone already, or too old: its rows are gone.
    """
    if not run_can_undo(run, now):
        raise RunNotReady("这次操作不能撤销,或者已经撤销")
    with transaction.atomic():
        changes = {"state": State.UNDOING, "undone_by_id": user_pk, "phase_at": now, "finished_at": None, "message": ""}
        # Waits for a worker that is in the middle of a step; that one then finds the state changed, and ends.
        if not TransferRun.objects.filter(pk=run.pk, state=run.state).update(**changes):
            raise RunNotReady("这次操作不能撤销,或者已经撤销")
        run_send(run)


def runs_resume(*, now: datetime) -> int:
    """Send those to a worker again whose worker has died between two steps; answer how many.

    Imports are not among them: a file that has killed its worker would kill the next one as well.
    """
    in_steps = Q(kind=Kind.DELETE, state=State.APPLYING) | Q(state=State.UNDOING)
    stalled = [run for run in TransferRun.objects.filter(in_steps).order_by("pk") if is_stalled(run, now)]
    for run in stalled:
        run_send(run, expires_s=60)  # the queue may be long: the next sweep sends it again
    return len(stalled)


def run_send(run: TransferRun, *, expires_s: float | None = None) -> None:
    """Let a worker take the run once this is committed."""
    from students.tasks import transfer_work

    # With the broker down the page offers to start again: the upload is not lost.
    options: dict[str, Any] = {"retry": False, "expires": expires_s}
    transaction.on_commit(lambda: transfer_work.apply_async((run.pk,), **options), robust=True)


@contextmanager
def working(run_pk: int, state: str) -> Iterator[TransferRun | None]:
    """Hold the run while it is in ``state``; ``None`` if it is not, or another worker holds it."""
    with transaction.atomic():
        statements_may_take(MOST_STATEMENT)
        if run := _free(run_pk, state):
            progress_tell(run.pk, 0, 0)
        yield run


def run_do(*, run_pk: int, state: str, work: Callable[[TransferRun], None]) -> None:
    """Do ``work`` and save the run as it leaves it; a refusal or a fault is written down instead."""
    try:
        with working(run_pk, state) as run:
            if run is None:
                return
            work(run)
            if not run.is_working:
                run.finished_at = timezone.now()
            run.save()
    except DomainError as refusal:
        _fail(run_pk, state, refusal.msg)
    except Exception:
        log.exception("transfer failed", run=run_pk)
        _fail(run_pk, state, "处理时出现意外错误,没有写入任何数据。可以重新开始;仍然失败请联系管理员")
    progress_end(run_pk)


def run_in_steps(*, run_pk: int, state: str, steps: Steps, end: str) -> None:
    """Do step after step, each in a transaction of its own, until no row of the kinds ``steps.todo`` is left."""
    is_more = True
    try:
        while is_more:
            with transaction.atomic():
                run = _free(run_pk, state)
                if run is None:  # undone meanwhile, or another worker is at it
                    return
                rows = list(TransferRow.objects.filter(run=run, kind__in=steps.todo).order_by("number")[: steps.size])
                if rows:
                    steps.do(run, rows)
                run.counts, run.message = _counted(run), ""
                left, done = (sum(run.counts.get(kind, 0) for kind in kinds) for kinds in (steps.todo, steps.results))
                is_more = left > 0
                if not is_more:
                    run.state, run.finished_at = end, timezone.now()
                run.save()
            progress_tell(run_pk, done, done + left)
    except Exception:
        # The state stays: what is done is noted, and the sweep goes on with the rest.
        log.exception("transfer step failed", run=run_pk)
        message = "处理时出现意外错误,已完成的部分有效,其余会自动重试"
        TransferRun.objects.filter(pk=run_pk, state=state).update(message=message)
    progress_end(run_pk)


def _free(run_pk: int, state: str) -> TransferRun | None:
    """Lock the run and answer it, ``None`` if it is in another state, or another worker holds it."""
    free = TransferRun.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=run_pk, state=state)
    return free.first()


def _counted(run: TransferRun) -> dict[str, int]:
    return dict(TransferRow.objects.filter(run=run).order_by().values_list("kind").annotate(Count("pk")))


def _fail(run_pk: int, state: str, message: str) -> None:
    TransferRun.objects.filter(pk=run_pk, state=state).update(
        state=State.FAILED, message=message[:500], finished_at=timezone.now()
    )


def source_of(run: TransferRun) -> bytes:
    """:raises RunNotReady: the file was removed meanwhile."""
    found = TransferFile.objects.filter(run=run, role=TransferFile.Role.SOURCE).first()
    if found is None:
        raise RunNotReady("文件已过期删除,请重新上传")
    return bytes(found.content)


def runs_purge(*, now: datetime) -> int:
    """Remove files and rows of old runs, and the pictures of students who can no longer come back.

    Answers how many runs.
    """
    is_being_undone = Q(state=State.UNDOING, phase_at__gt=now - timedelta(days=1))
    old = TransferRun.objects.filter(created_at__lt=now - KEEP_FOR).exclude(is_being_undone)
    emptied = old.filter(Exists(TransferFile.objects.filter(run=OuterRef("pk")))).count()
    emptied += old.filter(kind=Kind.DELETE).filter(Exists(TransferRow.objects.filter(run=OuterRef("pk")))).count()
    TransferFile.objects.filter(run__in=old).delete()
    _rows_purge(TransferRow.objects.filter(run__in=old))
    old.filter(state__in=[State.READY, State.REFUSED, *WORKING]).update(state=State.CANCELLED, finished_at=now)
    return emptied


def _rows_purge(rows: QuerySet[TransferRow]) -> None:
    kinds = [TransferRow.Kind.DELETED, TransferRow.Kind.KEPT]
    while batch := list(rows.filter(run__kind=Kind.DELETE, kind__in=kinds).order_by("pk").only("pk")[:PURGE_BATCH]):
        with transaction.atomic():
            images_release(owners=[row.owner_ref for row in batch])
            TransferRow.objects.filter(pk__in=[row.pk for row in batch]).delete()
    rows.delete()
