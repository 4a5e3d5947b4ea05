"""What happens on a practice server without a request. ``config/schedule.py`` says when."""

from accounts.selectors import users_over
from core import times
from core.queues import queued_task
from practice.services import accounts_clear

BATCH = 200  # accounts an hour: one with 500 students takes half a second


@queued_task("practice.clear", queue="bulk")
def clear() -> None:
    """Delete accounts whose time is over, the oldest first."""
    now = times.agreed_now()
    accounts_clear(pks=list(users_over(now).values_list("pk", flat=True)[:BATCH]), now=now)
