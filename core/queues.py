"""The queues of background tasks. Define a task with its queue, and send it."""

from collections.abc import Callable
from threading import Lock
from typing import Any

from celery import current_app, shared_task
from django.db import transaction

# Each has a worker of its own, so that money never waits for a spreadsheet (docs/adr/0031). ``now`` is for short tasks
# that a person waits for, and that call no upstream.
QUEUES = ("money", "now", "bulk")
_importing = Lock()


def queued_task(name: str, *, queue: str) -> Callable[[Callable[..., None]], Any]:
    """Make a function a task with this name, which always goes to this queue.

    Not by Celery's own ``queue=``, which is deprecated and warns in every process.
    """
    return shared_task(name=name, queue_name=queue)  # type: ignore[call-overload]


def queue_of(*_: Any, task: Any = None, **__: Any) -> dict[str, str] | None:
    """Return the queue of a task that is being sent. Celery calls this (``task_routes``)."""
    return {"queue": task.queue_name} if hasattr(task, "queue_name") else None


def task_send(name: str, *args: object, expires_s: float | None = None) -> None:
    """Send the task ``name`` to its queue when the transaction commits; nothing is sent if it is rolled back.

    The task is named by text because tasks import the services that send them. If the broker is down, the commit
    stands: a sweep finds refunds, the page of a run or of a bill's day offers to start it again, a message is lost.
    """

    def send() -> None:
        if name not in current_app.tasks:  # a web process imports no tasks before it sends one
            # While one thread imports them, Celery lets the import of another return at once, with nothing imported.
            with _importing:
                current_app.loader.import_default_modules()
        options: dict[str, Any] = {} if expires_s is None else {"expires": expires_s}
        current_app.tasks[name].apply_async(args, retry=False, **options)

    transaction.on_commit(send, robust=True)
