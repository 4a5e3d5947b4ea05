"""The life of a run: start, work by a task, confirmation, another start, cancellation, undoing; and its progress.

A worker does its part in one transaction that holds the run's row (:func:`run_in_one_transaction`), or in many short
ones, each of which does some rows and notes it (:func:`run_in_steps`). A worker that is killed leaves nothing
half-done. A second worker at the same time finds the row locked and leaves. To start a run again is always safe.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from core.audit import StaffAction, action_record
from core.cache.progress import SILENCE, progress_end, progress_read, progress_write
from core.db.limits import limits_raise
from core.errors import DomainError
from core.queues import task_send
from students.errors import RunNotReady
from students.models import (
    WORKING,
    FilePurpose,
    RowKind,
    RunKind,
    RunState,
    TransferFile,
    TransferRow,
    TransferRun,
)
from uploads.services import images_release

log = structlog.get_logger("students.transfer")

# Files and rows hold personal data, so they are removed; the run itself stays.
KEEP_FOR = timedelta(days=7)
PURGE_BATCH = 1_000
STEP = 500  # rows
# Two imports of the same students wait for each other. No page waits for them, so they may take this long.
MAX_STATEMENT_TIME = timedelta(minutes=5)
_WAITING = (RunState.READY, RunState.REFUSED, RunState.FAILED)  # for a person
_NO_UNDO = "这次操作不能撤销，或者已经撤销"


# --- What staff does with a run ---
def run_start(
    *,
    kind: str,
    user_pk: int | None,
    now: datetime,
    file_name: str,
    source: bytes | None = None,
    options: dict[str, Any] | None = None,
) -> TransferRun:
    """Create a run, and let a worker take it once this is committed."""
    file_name = "".join(c for c in file_name if c.isprintable())[-120:] or "file"
    with transaction.atomic():
        run = TransferRun.objects.create(
            kind=kind, created_by_id=user_pk, created_at=now, phase_at=now, file_name=file_name, options=options or {}
        )
        if source is not None:
            TransferFile.objects.create(run=run, role=FilePurpose.SOURCE, name=file_name, content=source)
        run_send(run)
    return run


def run_adjust(*, run: TransferRun, now: datetime, options: dict[str, Any]) -> None:
    """Let a worker check the file again with other ``options``: which column is which, or corrected cells.

    :raises RunNotReady: a worker is at it, or it is over.
    """
    changes = {"state": RunState.CHECKING, "phase_at": now, "message": "", "options": run.options | options}
    with transaction.atomic():
        _move(run, _WAITING, **changes)
        run_send(run)


def run_confirm(*, run: TransferRun, user_pk: int | None, now: datetime, options: dict[str, Any] | None = None) -> None:
    """Let a worker write what the preview showed, in the name of ``user_pk``.

    :raises RunNotReady: the run does not wait for a confirmation, or no longer.
    """
    changes: dict[str, Any] = {"state": RunState.APPLYING, "phase_at": now, "confirmed_by_id": user_pk}
    with transaction.atomic():
        _move(run, [RunState.READY], **changes, options=run.options | (options or {}))
        action = StaffAction.IMPORT if run.kind == RunKind.IMPORT else StaffAction.BULK
        action_record(run, action, {"文件": run.file_name, "行数": counts_text(run)}, actor_pk=user_pk)
        run_send(run)


def run_cancel(*, run: TransferRun) -> None:
    """Give the run up.

    :raises RunNotReady: a worker is at it, or it is over.
    """
    _move(run, _WAITING, state=RunState.CANCELLED)


def run_restart(*, run: TransferRun, now: datetime) -> None:
    """Send the run to a worker once more: a failed or checked one begins with the check, another where it stands.

    :raises RunNotReady: it is over, or its file is gone.
    """
    with transaction.atomic():
        if not TransferRun.objects.filter(pk=run.pk, state__in=WORKING).exists():
            _move(run, _WAITING, state=RunState.CHECKING, phase_at=now, message="")
        run_send(run)


def run_can_undo(run: TransferRun, now: datetime) -> bool:
    """Tell whether the run can be taken back: all but pictures once they are done, a deletion also while at work."""
    is_over = run.state == RunState.DONE and run.kind != RunKind.PHOTOS
    is_deleting = (run.kind, run.state) == (RunKind.DELETE, RunState.APPLYING)
    return (is_over or is_deleting) and now - run.created_at < KEEP_FOR


def run_undo(*, run: TransferRun, user_pk: int | None, now: datetime) -> None:
    """Let a worker take back what the run has done, in the name of ``user_pk``.

    :raises RunNotReady: it cannot be undone, is being undone already, or is so old that its rows are gone.
    """
    if not run_can_undo(run, now):
        raise RunNotReady(_NO_UNDO)
    changes = {"state": RunState.UNDOING, "undone_by_id": user_pk, "phase_at": now, "message": ""}
    with transaction.atomic():
        # Waits for a worker in the middle of a step. That worker then finds the state changed, and stops.
        _move(run, [run.state], _NO_UNDO, **changes)
        action_record(run, StaffAction.UNDO, {"文件": run.file_name, "行数": counts_text(run)}, actor_pk=user_pk)
        run_send(run)


def _move(run: TransferRun, states: Sequence[str], refusal: str | None = None, **changes: Any) -> None:
    """Change a run that is in one of the states; of two at once, one succeeds.

    :raises RunNotReady: it is in another one.
    """
    if not TransferRun.objects.filter(pk=run.pk, state__in=states).update(**changes):
        raise RunNotReady(refusal)


def counts_text(run: TransferRun) -> str:
    """Say how many rows of each kind the run has: ``新增 12、修改 3``."""
    return "、".join(f"{kind.label} {run.counts[kind]}" for kind in RowKind if run.counts.get(kind))


def run_send(run: TransferRun, *, expires_s: float | None = None) -> None:
    """Let a worker take the run once this is committed."""
    # If the broker is down, the run stays, and its page offers to start it again.
    task_send("students.transfer_work", run.pk, expires_s=expires_s)


# --- What a worker does with a run ---
def run_in_one_transaction(*, run_pk: int, state: str, do: Callable[[TransferRun], None]) -> None:
    """Call ``do`` and save the run as it leaves it. If it raises, nothing is written but the reason."""
    try:
        with transaction.atomic():
            limits_raise(MAX_STATEMENT_TIME)
            run = _run_lock(run_pk, state)
            if run is None:
                return
            progress_write(run.pk, 0, 0)
            do(run)
            run.save()
    except DomainError as refusal:
        _fail(run_pk, state, refusal.msg)
    except Exception:
        log.exception("transfer failed", run=run_pk)
        _fail(run_pk, state, "处理时出现意外错误，没有写入任何数据。可以重新开始；仍然失败请联系管理员")
    progress_end(run_pk)


def run_in_steps(
    *,
    run_pk: int,
    state: str,
    end: str,
    do: Callable[[TransferRun, list[TransferRow]], None],
    todo: Collection[RowKind],
    results: Collection[RowKind],
) -> None:
    """Do one step after the other, each in its own transaction, until no row is left. Then the run is in state ``end``.

    :param do: takes some rows of the kinds ``todo``, and leaves each of them as one of the kinds ``results``.
    """
    is_more = True
    try:
        while is_more:
            with transaction.atomic():
                run = _run_lock(run_pk, state)
                if run is None:  # a person undoes it, or another worker is at it
                    return
                rows = list(TransferRow.objects.filter(run=run, kind__in=todo).order_by("number")[:STEP])
                if rows:
                    do(run, rows)
                run.counts, run.message = row_counts(run), ""
                rest, number = (sum(run.counts.get(kind, 0) for kind in kinds) for kinds in (todo, results))
                is_more = rest > 0
                if not is_more:
                    run.state = end
                run.save()
            progress_write(run_pk, number, number + rest)
    except Exception:
        # The state stays as it is: what is done is noted, and `runs_resume` has the rest done.
        log.exception("transfer step failed", run=run_pk)
        message = "处理时出现意外错误，已完成的部分有效，其余会自动重试"
        TransferRun.objects.filter(pk=run_pk, state=state).update(message=message)
    progress_end(run_pk)


def _run_lock(run_pk: int, state: str) -> TransferRun | None:
    runs = TransferRun.objects.select_for_update(skip_locked=True, no_key=True)
    return runs.filter(pk=run_pk, state=state).first()


def row_counts(run: TransferRun) -> dict[str, int]:
    """Count the rows of each kind."""
    return dict(TransferRow.objects.filter(run=run).order_by().values_list("kind").annotate(Count("pk")))


def _fail(run_pk: int, state: str, message: str) -> None:
    TransferRun.objects.filter(pk=run_pk, state=state).update(state=RunState.FAILED, message=message[:500])


def source_of(run: TransferRun) -> bytes:
    """Read the file that was sent in.

    :raises RunNotReady: it was removed meanwhile.
    """
    file = TransferFile.objects.filter(run=run, role=FilePurpose.SOURCE).first()
    if file is None:
        raise RunNotReady("文件已过期删除，请重新上传")
    return bytes(file.content)


def rows_save(rows: Sequence[TransferRow], *fields: str) -> None:
    """Save some fields of rows that exist, in one statement."""
    TransferRow.objects.bulk_create(rows, update_conflicts=True, update_fields=fields, unique_fields=["id"])


def run_is_stalled(run: TransferRun, now: datetime) -> bool:
    """Tell whether the run seems to have lost its worker. Its page then offers to start it again, which is safe."""
    return run.is_working and now - run.phase_at > SILENCE and not progress_read(run.pk).has_started


# --- What happens by the clock ---
def runs_resume(*, now: datetime) -> int:
    """Send runs whose worker has died between two steps to a worker again; return how many.

    Imports and pictures wait for a person: a file that has killed its worker would kill the next one as well.
    """
    in_steps = Q(kind=RunKind.DELETE, state=RunState.APPLYING) | Q(state=RunState.UNDOING)
    stalled = [run for run in TransferRun.objects.filter(in_steps).order_by("pk") if run_is_stalled(run, now)]
    for run in stalled:
        run_send(run, expires_s=60)  # the queue may be long: the next sweep sends it again
    return len(stalled)


def runs_purge(*, now: datetime) -> None:
    """Remove files and rows of old runs, and the pictures of students who can no longer come back."""
    is_being_undone = Q(state=RunState.UNDOING, phase_at__gt=now - timedelta(days=1))
    old = TransferRun.objects.filter(created_at__lt=now - KEEP_FOR).exclude(is_being_undone)
    TransferFile.objects.filter(run__in=old).delete()
    _rows_purge(TransferRow.objects.filter(run__in=old))
    old.filter(state__in=[RunState.READY, RunState.REFUSED, *WORKING]).update(state=RunState.CANCELLED)


def _rows_purge(rows: QuerySet[TransferRow]) -> None:
    kinds = [RowKind.DELETED, RowKind.KEPT]
    while batch := list(rows.filter(run__kind=RunKind.DELETE, kind__in=kinds).order_by("pk").only("pk")[:PURGE_BATCH]):
        with transaction.atomic():
            images_release(owners=[row.owner_ref for row in batch])
            TransferRow.objects.filter(pk__in=[row.pk for row in batch]).delete()
    rows.delete()
