"""What happens to pictures without a request. ``config/schedule.py`` says when."""

from core import times
from core.queues import queued_task
from uploads.services import orphans_remove


@queued_task("uploads.remove_orphans", queue="bulk")
def remove_orphans() -> None:
    orphans_remove(now=times.agreed_now())
