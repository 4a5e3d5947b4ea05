"""What happens in the back office without a request. ``config/settings/base.py`` says when."""

from django.contrib.sessions.models import Session

from backoffice.audit import entries_purge
from backoffice.months import months_recount
from core import times
from core.db.purge import rows_purge
from core.queues import queued_task
from core.times import local


@queued_task("backoffice.count_months", queue="now")
def count_months() -> None:
    months_recount(local(times.now()))


@queued_task("backoffice.purge", queue="bulk")
def purge() -> None:
    """Delete old entries of the audit trail, and sessions that have expired."""
    now = times.agreed_now()
    entries_purge(now=now)
    rows_purge(Session.objects.filter(expire_date__lt=now))
