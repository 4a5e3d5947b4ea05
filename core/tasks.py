"""What happens without a request. Each task may run twice, also at once."""

from celery import shared_task

from core import times
from core.admin.exports import export_make, exports_purge


@shared_task(name="core.export_make", ignore_result=True)
def make_export(export_pk: int) -> None:
    export_make(export_pk=export_pk)


@shared_task(name="core.purge_exports", ignore_result=True)
def purge_exports() -> None:
    """Delete the files of old exports: they hold personal data."""
    exports_purge(now=times.agreed_now())
