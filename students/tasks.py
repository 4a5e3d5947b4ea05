"""What happens without a request. Each task may run twice, also at once."""

from collections.abc import Callable
from functools import partial

from core import times
from core.queues import queued_task
from runs.work import run_work
from students import class_steps, undo
from students.counts import counts_fold
from students.models import RowKind, RunKind, RunState, TransferRun
from students.runs import rows_portion, runs_purge, runs_resume
from students.transfer import deletion, import_apply, import_check, photos

_take_back = partial(
    rows_portion, do=undo.rows_take_back, end=RunState.UNDONE, todo=[RowKind.NEW, RowKind.CHANGED, RowKind.LEFT]
)
_delete = partial(rows_portion, do=deletion.rows_delete, end=RunState.DONE, todo=[RowKind.WAITING])
# Students that were not deleted yet when a person stopped the run stay as they are.
_restore = partial(rows_portion, do=deletion.rows_restore, end=RunState.UNDONE, todo=[RowKind.DELETED, RowKind.WAITING])
# What ``runs.work.run_work`` calls for each kind of runs in each state that waits for a worker.
_WORK: dict[tuple[str, str], Callable[..., tuple[int, int] | None]] = {
    (RunKind.IMPORT, RunState.CHECKING): import_check.import_check,
    (RunKind.IMPORT, RunState.APPLYING): import_apply.import_apply,
    (RunKind.IMPORT, RunState.UNDOING): _take_back,
    (RunKind.EDIT, RunState.UNDOING): _take_back,
    (RunKind.CLASS, RunState.UNDOING): class_steps.class_undo,
    (RunKind.PHOTOS, RunState.CHECKING): photos.photos_check,
    (RunKind.DELETE, RunState.APPLYING): _delete,
    (RunKind.DELETE, RunState.UNDOING): _restore,
}


@queued_task("students.fold_tally", queue="now")
def fold_tally() -> None:
    """Keep the rows few that each count is the sum of."""
    counts_fold()


@queued_task("students.transfer_work", queue="bulk")
def transfer_work(run_pk: int) -> None:
    """Do what a run waits for: see ``_WORK``; a confirmed batch of pictures has a transaction for each picture."""
    run, now = TransferRun.objects.filter(pk=run_pk).first(), times.now()
    if run and not run.waits_for_pictures and (do := _WORK.get((run.kind, run.state))):
        run_work(run, partial(do, now=now))
        run.refresh_from_db()
    if run and run.waits_for_pictures:
        photos.photos_apply(run, now)


@queued_task("students.resume_transfers", queue="now")
def resume_transfers() -> None:
    """Go on with deletions and undoings whose worker has died."""
    runs_resume(now=times.now())


@queued_task("students.purge_transfers", queue="bulk")
def purge_transfers() -> None:
    """Remove the files and rows of old imports: they hold personal data."""
    runs_purge(now=times.agreed_now())
