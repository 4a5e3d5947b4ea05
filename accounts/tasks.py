from celery import shared_task
from django.utils import timezone


@shared_task(name="accounts.purge_expired_tokens", ignore_result=True)
def purge_expired_tokens() -> None:
    from accounts.services.users import tokens_purge

    tokens_purge(now=timezone.now())
