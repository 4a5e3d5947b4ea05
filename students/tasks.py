"""What happens without a request. Each task may run twice, also at once."""

from collections.abc import Callable
from functools import partial

from core import times
from core.queues import queued_task
from students import life
from students.counts import counts_fold
from students.models import RunKind, RunState, TransferRun
from students.transfer import deletion, imports, photos
from students.transfer.runs import run_in_one_transaction, runs_purge, runs_resume

_IN_ONE_TRANSACTION: dict[tuple[str, str], Callable[..., None]] = {
    (RunKind.IMPORT, RunState.CHECKING): imports.import_check,
    (RunKind.IMPORT, RunState.APPLYING): imports.import_apply,
    (RunKind.PHOTOS, RunState.CHECKING): photos.photos_check,
}
_IN_STEPS: dict[tuple[str, str], Callable[..., None]] = {
    (RunKind.IMPORT, RunState.UNDOING): imports.import_undo,
    (RunKind.EDIT, RunState.UNDOING): imports.import_undo,
    (RunKind.CLASS, RunState.UNDOING): life.class_undo,
    (RunKind.PHOTOS, RunState.APPLYING): photos.photos_apply,
    (RunKind.DELETE, RunState.APPLYING): deletion.deletion_apply,
    (RunKind.DELETE, RunState.UNDOING): deletion.deletion_undo,
}


@queued_task("students.fold_tally", queue="now")
def fold_tally() -> None:
    """Keep the rows few that each count is the sum of."""
    counts_fold()


@queued_task("students.transfer_work", queue="bulk")
def transfer_work(run_pk: int) -> None:
    """Do what an import, a batch of pictures or a deletion waits for."""
    run, now = TransferRun.objects.filter(pk=run_pk).first(), times.now()
    if run and (do := _IN_ONE_TRANSACTION.get((run.kind, run.state))):
        run_in_one_transaction(run_pk=run_pk, state=run.state, do=partial(do, now=now))
    elif run and (work := _IN_STEPS.get((run.kind, run.state))):
        work(run_pk=run_pk, now=now)


@queued_task("students.resume_transfers", queue="now")
def resume_transfers() -> None:
    """Go on with deletions and undoings whose worker has died."""
    runs_resume(now=times.now())


@queued_task("students.purge_transfers", queue="bulk")
def purge_transfers() -> None:
    """Remove the files and rows of old imports: they hold personal data."""
    runs_purge(now=times.agreed_now())
