"""The kernel's own background task."""

import time

from celery import shared_task


@shared_task(name="core.heartbeat", ignore_result=True)
def heartbeat() -> None:
    from core.pulse import pulse_leave

    pulse_leave(time.time())
