from celery import shared_task
from django.utils import timezone

from core.times import local


@shared_task(name="backoffice.count_months", ignore_result=True)
def count_months() -> None:
    from config.backoffice.months import months_recount

    months_recount(local(timezone.now()))
