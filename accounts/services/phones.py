"""Phone numbers of users: which of them log in by text message, and what it takes to set one.

A number logs in (``User.is_phone_bound``) only if root set it, if it came alone with the old data, or if it was proved
by the old password and a code sent to it. Another number is kept and shown. Two users may have the same number, but
only one of them logs in with it, the one who claims it first, and a constraint of the database holds that.
"""

import re
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import connection

from accounts.errors import PhoneMasked, PhoneNeedsPassword, PhoneTaken, PhoneTriesExceeded, SmsCodeWrong, SmsNotSent
from accounts.models import User
from accounts.selectors import phone_logins
from accounts.services.login_records import LoginContext
from accounts.services.sms_codes import sms_code_phone, sms_code_spend
from accounts.sms import sms_send
from core.admin.phones import phone_masked
from core.cache import ratelimit
from core.queues import task_send
from permissions.models import Role

log = structlog.get_logger("accounts.sms")

MOBILE = re.compile(r"1[0-9]{10}")  # a mainland number; no other one gets messages
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('phone ' || %s, 0))"
# New numbers of one account: (from where, how many, in how many seconds). The answer tells whether a number is a login.
PER_ADDRESS, PER_ACCOUNT = (10, 3600), (60, 24 * 3600)


class PhoneProof(NamedTuple):
    """The code of a message that was sent to the new number; ``code`` is empty without one."""

    key: str
    code: str


def can_login(phone: str, role: Role) -> bool:
    """Tell whether a number that root sets, or that was proved, logs in. Root's own role never logs in by message."""
    return bool(MOBILE.fullmatch(phone)) and not role.is_root


def phone_kept(phone: str, *, before: str = "") -> str:
    """Return the number to keep: ``before`` where a client sends back the masked form that a list has shown.

    :raises PhoneMasked: it is the masked form of another number.
    """
    if "*" not in phone or phone == before:
        return phone
    if phone != phone_masked(before):
        raise PhoneMasked
    return before


def phone_claim(phone: str) -> None:
    """Check that no user logs in with the number. Until this transaction ends, nobody else can claim it.

    :raises PhoneTaken: one does; ask only for a number that is not the user's own login already.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [phone])
    if phone_logins().filter(phone=phone).exists():
        raise PhoneTaken


def phone_login_claim(phone: str, role: Role) -> bool:
    """Tell whether a number that root sets is a login, and claim it if so.

    :raises PhoneTaken: another user logs in with it.
    """
    is_login = can_login(phone, role)
    if is_login:
        phone_claim(phone)
    return is_login


def own_phone_changes(
    user: User, phone: str, *, proof: PhoneProof, knows_password: bool, context: LoginContext
) -> dict[str, Any]:
    """Return the fields that change when a user sets the own number.

    :param knows_password: the right old password came along.
    :raises PhoneTriesExceeded: too many other numbers lately.
    :raises PhoneNeedsPassword: the old password is missing or wrong, and the number is a login or is to become one.
    :raises PhoneTaken: another user logs in with it.
    :raises SmsCodeNotAsked, SmsCodeIncomplete, SmsCodeWrong: ``proof`` is no right code of this number.
    """
    if phone == user.phone and (user.is_phone_bound or not proof.code):
        return {}
    near, everywhere = f"phone:{user.pk}:{context.network}", f"phone:{user.pk}"
    for key, (limit, window_s) in ((near, PER_ADDRESS), (everywhere, PER_ACCOUNT)):
        if wait_s := ratelimit.hit(key, limit=limit, window_s=window_s):
            raise PhoneTriesExceeded(wait_s)
    if (user.is_phone_bound or proof.code) and not knows_password:
        raise PhoneNeedsPassword
    phone_claim(phone)
    if proof.code:
        if sms_code_phone(proof.key) != phone:
            raise SmsCodeWrong
        sms_code_spend(key=proof.key, code=proof.code, now=context.now)
    return {"phone": phone, "is_phone_bound": bool(proof.code) and can_login(phone, user.role)}


def phone_replaced_tell(user: User, *, phone: str, was_login: bool) -> None:
    """Tell the number with which ``user`` logged in until now that another one took its place. Best effort."""
    if was_login and phone != user.phone:
        task_send("accounts.tell_replaced_phone", phone, user.unid, expires_s=3600)


def phone_notice_send(*, phone: str, unid: str) -> None:
    """Send to ``phone`` that it is no longer the number of its account. A failure is logged and not tried again."""
    if not settings.SMS_NOTICE_TEMPLATE_CODE:
        log.warning("a replaced phone number is not told: SMS_NOTICE_TEMPLATE_CODE is not set")
        return
    try:
        sms_send(phone=phone, template=settings.SMS_NOTICE_TEMPLATE_CODE, values={}, asker=unid)
    except SmsNotSent:
        log.warning("a replaced phone number is not told: the message was not sent")
