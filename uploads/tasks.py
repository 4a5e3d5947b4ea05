"""What happens to pictures without a request. ``config/settings/base.py`` says when."""

from celery import shared_task

from core import times
from uploads.services import orphans_remove


@shared_task(name="uploads.remove_orphans", ignore_result=True)
def remove_orphans() -> None:
    orphans_remove(now=times.agreed_now())
