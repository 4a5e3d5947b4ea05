"""What happens in the back office without a request. ``config/schedule.py`` says when."""

from django.contrib.sessions.models import Session

from backoffice.audit import entries_purge
from core import times
from core.db.purge import rows_purge
from core.queues import queued_task


@queued_task("backoffice.purge", queue="bulk")
def purge() -> None:
    """Delete old entries of the audit trail, and sessions that have expired."""
    now = times.agreed_now()
    entries_purge(now=now)
    rows_purge(Session.objects.filter(expire_date__lt=now))
