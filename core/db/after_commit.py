"""Start background work from a service, after the rows that the task will read are committed."""

from typing import Any

from celery import current_app
from django.db import transaction


def task_send(name: str, *args: object, expires_s: float | None = None) -> None:
    """Send the task ``name`` to its queue when the transaction commits; nothing is sent if it is rolled back.

    The task is named by text because tasks import the services that send them. Every such task also has a sweep that
    finds its rows, so if the broker is down the commit stands and the work starts later.
    """

    def send() -> None:
        if name not in current_app.tasks:  # a web process imports no tasks before it sends one
            current_app.loader.import_default_modules()
        options: dict[str, Any] = {} if expires_s is None else {"expires": expires_s}
        current_app.tasks[name].apply_async(args, retry=False, **options)

    transaction.on_commit(send, robust=True)
