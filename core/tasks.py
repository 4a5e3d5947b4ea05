"""What happens without a request. Each task may run twice, also at once."""

from core import times
from core.admin.exports import export_make, exports_purge
from core.queues import queued_task


@queued_task("core.export_make", queue="bulk")
def make_export(export_pk: int) -> None:
    export_make(export_pk=export_pk)


@queued_task("core.purge_exports", queue="bulk")
def purge_exports() -> None:
    """Delete the files of old exports: they hold personal data."""
    exports_purge(now=times.agreed_now())
