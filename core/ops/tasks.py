"""The kernel's own background task."""

import time
from typing import Any

from celery import shared_task
from celery.signals import beat_init


@shared_task(name="core.heartbeat", ignore_result=True)
def heartbeat() -> None:
    from core.ops.heartbeat import record

    record(time.time())


@beat_init.connect
def ask_at_once(**_: Any) -> None:
    # Beat's own first question comes after a whole interval: until then all would seem to stand still.
    heartbeat.apply_async(expires=60)
