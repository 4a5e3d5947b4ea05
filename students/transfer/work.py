"""What a worker does with a run, by its kind and state."""

from django.utils import timezone

from students.transfer.deletion import deletion_apply, deletion_undo
from students.transfer.exports import export_work
from students.transfer.imports import import_apply, import_check, import_result
from students.transfer.models import TransferRun
from students.transfer.photos import photos_apply, photos_check
from students.transfer.undo import import_undo

Kind, State = TransferRun.Kind, TransferRun.State


def transfer_do(*, run_pk: int) -> None:
    run = TransferRun.objects.filter(pk=run_pk).first()
    match (run.kind, run.state) if run else (None, None):
        case (Kind.IMPORT, State.CHECKING):
            import_check(run_pk=run_pk)
            _keep_result(run_pk, State.REFUSED)
        case (Kind.IMPORT, State.APPLYING):
            import_apply(run_pk=run_pk)
            _keep_result(run_pk, State.DONE)
        case (Kind.EXPORT, State.CHECKING):
            export_work(run_pk=run_pk)
        case (Kind.IMPORT, State.UNDOING):
            import_undo(run_pk=run_pk)
        case (Kind.DELETE, State.APPLYING):
            deletion_apply(run_pk=run_pk)
        case (Kind.DELETE, State.UNDOING):
            deletion_undo(run_pk=run_pk)
        case (Kind.PHOTOS, State.CHECKING):
            photos_check(run_pk=run_pk)
        case (Kind.PHOTOS, State.APPLYING):
            photos_apply(run_pk=run_pk, now=timezone.now())


def _keep_result(run_pk: int, state: str) -> None:
    # After the commit: making the file holds up nobody, and whoever asks for it earlier makes it.
    if run := TransferRun.objects.filter(pk=run_pk, state=state).first():
        import_result(run=run)
