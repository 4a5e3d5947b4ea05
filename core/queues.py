"""The queue of a task, named where the task is defined. ``settings.QUEUES`` are those that have a worker."""

from collections.abc import Callable
from typing import Any

from celery import shared_task


def queued_task(name: str, *, queue: str) -> Callable[[Callable[..., None]], Any]:
    """Make a function a task with this name, which goes to this queue whoever sends it.

    Not by Celery's own ``queue=``, which is deprecated and warns in every process.
    """
    return shared_task(name=name, queue_name=queue)  # type: ignore[call-overload]


def queue_of(*_: Any, task: Any = None, **__: Any) -> dict[str, str] | None:
    """Return the queue of a task that is being sent. Celery calls this (``CELERY_TASK_ROUTES``)."""
    return {"queue": task.queue_name} if hasattr(task, "queue_name") else None
