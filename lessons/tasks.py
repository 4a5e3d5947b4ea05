"""Keep what accounts have reached before their calls are forgotten."""

from accounts.models import User
from core import times
from core.queues import queued_task
from lessons.services import progress_update
from lessons.stream import accounts_noted, calls_of

BATCH = 50


@queued_task("lessons.keep_progress", queue="bulk")
def keep_progress() -> None:
    """Look at the calls of all accounts: without this, those that no teacher has opened would go after 12 hours."""
    unids = accounts_noted()
    for at in range(0, len(unids), BATCH):
        users = list(User.objects.filter(unid__in=unids[at : at + BATCH]))
        calls = calls_of(user.unid for user in users)
        progress_update({user.pk: own for user, own in zip(users, calls, strict=True)}, now=times.now())
