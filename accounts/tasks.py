"""What happens to users and logins without a request. ``config/schedule.py`` says when."""

from accounts.services.login import logins_purge
from accounts.services.login_records import attempts_empty
from accounts.services.phones import phone_notice_send
from accounts.services.scan_codes import codes_expire
from accounts.tokens import tokens_purge
from core import times
from core.queues import queued_task


@queued_task("accounts.purge_expired_tokens", queue="now")
def purge_expired_tokens() -> None:
    tokens_purge(now=times.agreed_now())


@queued_task("accounts.purge_login_log", queue="bulk")
def purge_login_log() -> None:
    logins_purge(now=times.agreed_now())


@queued_task("accounts.purge_login_attempts", queue="bulk")
def purge_login_attempts() -> None:
    attempts_empty()


@queued_task("accounts.expire_scan_codes", queue="now")
def expire_scan_codes() -> None:
    """Tell sockets whose codes have expired."""
    codes_expire()


@queued_task("accounts.tell_replaced_phone", queue="bulk")
def tell_replaced_phone(phone: str, unid: str) -> None:
    phone_notice_send(phone=phone, unid=unid)
