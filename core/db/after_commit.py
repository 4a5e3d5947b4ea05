"""Start background work from a service, after the rows that the task will read are committed."""

from celery import current_app
from django.db import transaction


def task_send(name: str, *args: object, expires_s: float | None = None) -> None:
    """Send the task ``name`` to its queue when the transaction commits; nothing is sent if it is rolled back.

    The task is named by text because tasks import the services that send them. Every such task also has a sweep that
    finds its rows, so if the broker is down the commit stands and the work starts later.
    """

    def send() -> None:
        current_app.send_task(name, args, expires=expires_s, retry=False)

    transaction.on_commit(send, robust=True)
