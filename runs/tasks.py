"""What happens without a request. Each task may run twice, also at once."""

from core import times
from core.queues import queued_task
from runs.exports import export_make, exports_purge
from runs.models import Export
from runs.work import run_work


@queued_task("core.export_make", queue="bulk")
def make_export(export_pk: int) -> None:
    if export := Export.objects.filter(pk=export_pk, state=Export.State.WORKING).first():
        run_work(export, export_make)


@queued_task("core.purge_exports", queue="bulk")
def purge_exports() -> None:
    """Delete the files of old exports: they hold personal data."""
    exports_purge(now=times.agreed_now())
