"""The heartbeat task (``core.ops.heartbeat``)."""

from typing import Any

from celery.signals import beat_init
from django.conf import settings

from core import times
from core.ops.alerts import alerts_send
from core.ops.doctor import examine
from core.ops.heartbeat import record
from core.queues import queued_task


@queued_task("core.heartbeat", queue="now")
def heartbeat(queue: str) -> None:
    record(queue, times.now().timestamp())


@queued_task("core.alert", queue="bulk")
def alert() -> None:
    """Do what the timer of ``deploy/systemd/spms-doctor.timer`` does, where there is none."""
    alerts_send(examine(), now=times.now())


@beat_init.connect
def ask_at_once(**_: Any) -> None:
    # Beat sends the first heartbeat only after a whole interval; until then the doctor would say that nothing runs.
    for queue in settings.QUEUES:
        heartbeat.apply_async((queue,), queue=queue, expires=60)
