"""What happens to attendance without a request. ``config/schedule.py`` says when."""

from attendance import services
from core import times
from core.queues import queued_task


@queued_task("attendance.sweep", queue="now")
def sweep() -> None:
    """Close sessions whose time is over, and send screens their next code."""
    now = times.agreed_now()
    services.sessions_close_due(now=now)
    services.codes_send(now=now)
