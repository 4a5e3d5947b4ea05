"""What happens without a request. Each task may run twice, also at once."""

from typing import Any

from celery.signals import beat_init

from core import times
from core.api.once import answers_purge
from core.observe.heartbeat import record
from core.queues import QUEUES, queued_task


@queued_task("core.purge_answers", queue="bulk")
def purge_answers() -> None:
    """Delete answers that were kept for a day."""
    answers_purge(now=times.agreed_now())


@queued_task("core.heartbeat", queue="now")
def heartbeat(queue: str) -> None:
    record(queue, times.now().timestamp())


@beat_init.connect
def ask_at_once(**_: Any) -> None:
    # Beat sends the first heartbeat only after a whole interval; until then the doctor would say that nothing runs.
    for queue in QUEUES:
        heartbeat.apply_async((queue,), queue=queue, expires=60)
