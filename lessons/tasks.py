"""Keep what accounts have reached before their calls are forgotten."""

from core import times
from core.queues import queued_task
from lessons.call_log import calls_of, users_noted
from lessons.services import progress_update

BATCH = 50


@queued_task("lessons.keep_progress", queue="bulk")
def keep_progress() -> None:
    """Look at the calls of all accounts: without this, those that no teacher has opened would go after 12 hours."""
    users = users_noted()
    for at in range(0, len(users), BATCH):
        progress_update(calls_of(users[at : at + BATCH]), now=times.now())
