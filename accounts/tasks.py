"""What happens to users and logins without a request. ``config/settings/base.py`` says when."""

from celery import shared_task

from accounts.services.attempts import attempts_purge
from accounts.services.login import logins_purge
from accounts.services.phones import phone_notice_send
from accounts.services.scan_codes import codes_expire
from accounts.services.users import tokens_purge
from core import times


@shared_task(name="accounts.purge_expired_tokens", ignore_result=True)
def purge_expired_tokens() -> None:
    tokens_purge(now=times.agreed_now())


@shared_task(name="accounts.purge_login_log", ignore_result=True)
def purge_login_log() -> None:
    logins_purge(now=times.agreed_now())


@shared_task(name="accounts.purge_login_attempts", ignore_result=True)
def purge_login_attempts() -> None:
    attempts_purge(now=times.agreed_now())


@shared_task(name="accounts.expire_scan_codes", ignore_result=True)
def expire_scan_codes() -> None:
    """Tell sockets whose codes have expired.

    Processes with sockets do it each second; this covers a time without any.
    """
    codes_expire()


@shared_task(name="accounts.tell_replaced_phone", ignore_result=True)
def tell_replaced_phone(phone: str, network: str) -> None:
    phone_notice_send(phone=phone, network=network)
