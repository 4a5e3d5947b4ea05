"""What happens without a request. Each task may run twice, also at once."""

from typing import Any

from celery.signals import beat_init

from core import times
from core.admin.exports import export_make, exports_purge
from core.api.once import answers_purge
from core.observe.heartbeat import record
from core.queues import QUEUES, queued_task


@queued_task("core.export_make", queue="bulk")
def make_export(export_pk: int) -> None:
    export_make(export_pk=export_pk)


@queued_task("core.purge_exports", queue="bulk")
def purge_exports() -> None:
    """Delete the files of old exports, which hold personal data, and answers that were kept for a day."""
    now = times.agreed_now()
    exports_purge(now=now)
    answers_purge(now=now)


@queued_task("core.heartbeat", queue="now")
def heartbeat(queue: str) -> None:
    record(queue, times.now().timestamp())


@beat_init.connect
def ask_at_once(**_: Any) -> None:
    # Beat sends the first heartbeat only after a whole interval; until then the doctor would say that nothing runs.
    for queue in QUEUES:
        heartbeat.apply_async((queue,), queue=queue, expires=60)
