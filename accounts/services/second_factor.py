"""The second factor of the back office: the codes of an app on a phone, and codes on paper should the phone be lost.

django-otp keeps the devices. A code works once, and each wrong one doubles the wait before the next may be tried, so
hardly any of a million codes can be. Only who knows the password gets as far: strangers cannot make anybody wait.
"""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac
from django_otp import verify_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.demo_users import is_demo_account
from accounts.errors import CodeTooSoon, CodeWrong, SecondFactorRefused
from accounts.models import User
from accounts.services.attempts import Door, Outcome, Where, attempt_record
from core.admin.audit import change_note
from core.ids import random_text

DIGITS = 6
RECOVERY_CODES = 10
RECOVERY_LENGTH = 10
# No two that look alike on paper. 10 characters are 49 bits.
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
PENDING_FOR = timedelta(minutes=30)  # so long a key that was shown, and not confirmed yet, is shown again
_AUDITED_AS = "动态验证码"
_PASSED = "second_factor"  # of a session: which device it was passed with


class Standing(Enum):
    """How far somebody who gave the right password has come."""

    INSIDE = auto()
    CODE = auto()  # the code is still to be given
    ENROL = auto()  # must have a second factor, and has none yet


def is_offered() -> bool:
    return settings.ADMIN_TOTP != "off"


def is_demanded(user: User) -> bool:
    """Whether ``user`` must have a second factor to work in the back office."""
    if is_demo_account(user.username):
        return False
    return settings.ADMIN_TOTP == "staff" or (settings.ADMIN_TOTP == "root" and user.is_superuser)


def standing(user: User, session: Any) -> Standing:
    if not is_offered():
        return Standing.INSIDE
    device = device_of(user)
    if device is None:
        return Standing.ENROL if is_demanded(user) else Standing.INSIDE
    return Standing.INSIDE if session.get(_PASSED) == device.pk else Standing.CODE


def device_of(user: User) -> TOTPDevice | None:
    """The user's phone; None: no second factor."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


def passed(session: Any, device: TOTPDevice) -> None:
    """Let ``session`` in: its user has shown that he has ``device``, or one of its recovery codes."""
    session[_PASSED] = device.pk
    session.cycle_key()


def forget_passed(session: Any) -> None:
    session.pop(_PASSED, None)


def code_check(*, user: User, code: str, ip: str, agent: str, now: datetime) -> TOTPDevice:
    """Use up a code of the user's phone, or one of the recovery codes; answer the phone.

    :raises CodeTooSoon: the last code was wrong, and the wait for the next one is not over.
    :raises CodeWrong: also a code that was used before.
    """
    phone = device_of(user)
    code = "".join(code.split()).replace("-", "").lower()
    is_of_phone = len(code) == DIGITS
    device = phone if is_of_phone else StaticDevice.objects.filter(user=user).first()
    if phone is None or device is None:
        raise CodeWrong
    is_allowed, why = device.verify_is_allowed()
    if not is_allowed:
        raise CodeTooSoon(int((why["locked_until"] - now).total_seconds()) + 1)
    if not verify_token(user, device.persistent_id, code if is_of_phone else _stored_as(device, code)):
        where: Where = {"door": Door.OFFICE, "ip": ip, "device": agent, "now": now}
        attempt_record(outcome=Outcome.CODE, username=user.username, **where)
        raise CodeWrong
    return phone


# --- To get one, and to give it up -----------------------------------------------------------------


@transaction.atomic
def enrolment_begin(*, user: User, now: datetime) -> TOTPDevice:
    """Answer the phone-to-be, whose key the user's app is to read; it counts for nothing until it is confirmed.

    :raises SecondFactorRefused: a class shares the account, or it has a second factor already.
    """
    _refuse(_locked(user))
    pending = TOTPDevice.objects.filter(user=user, confirmed=False)
    pending.filter(created_at__lte=now - PENDING_FOR).delete()
    return pending.first() or TOTPDevice.objects.create(user=user, name="手机", confirmed=False)


@transaction.atomic
def enrolment_confirm(*, user: User, code: str) -> tuple[TOTPDevice, list[str]]:
    """Make the phone-to-be count, once its app has shown the right code; answer it and the recovery codes.

    :raises CodeWrong: nothing has changed. :raises SecondFactorRefused: as above.
    """
    _refuse(_locked(user))
    pending = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    # Outside of the library's limit, which is for guessing: here whoever types sees the key.
    if pending is None or not _is_shown_by(pending, code):
        raise CodeWrong
    pending.confirmed = True
    pending.save()
    change_note(user, _AUDITED_AS, "", "已绑定")
    return pending, _recovery_codes_make(user)


@transaction.atomic
def recovery_codes_renew(*, user: User) -> list[str]:
    """Answer new recovery codes; the earlier ones are void.

    :raises SecondFactorRefused: there is no second factor to recover.
    """
    if device_of(_locked(user)) is None:
        raise SecondFactorRefused("还没有绑定动态验证码")
    change_note(user, _AUDITED_AS, "", "重新生成恢复码")
    return _recovery_codes_make(user)


def recovery_codes_left(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


@transaction.atomic
def second_factor_remove(*, user: User) -> bool:
    """Take the user's second factor away, recovery codes with it; False where there is none."""
    _locked(user)
    found, _ = TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    if found:
        change_note(user, _AUDITED_AS, "已绑定", "")
    return bool(found)


def _locked(user: User) -> User:
    # Of two enrolments at once the second finds the first one's phone.
    return User.objects.select_for_update(no_key=True, of=("self",)).select_related("role").get(pk=user.pk)


def _refuse(user: User) -> None:
    if is_demo_account(user.username):
        raise SecondFactorRefused("演示账号大家共用,不能绑定")
    if device_of(user):
        raise SecondFactorRefused("已经绑定了一部手机")


def _is_shown_by(pending: TOTPDevice, code: str) -> bool:
    pending.throttle_reset(commit=False)
    return pending.verify_token("".join(code.split()))


def _recovery_codes_make(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="恢复码")
    codes = [random_text(RECOVERY_LENGTH, _RECOVERY_ALPHABET) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(code)) for code in codes)
    half = RECOVERY_LENGTH // 2
    return [f"{code[:half]}-{code[half:]}" for code in codes]


def _stored_as(device: StaticDevice, code: str) -> str:
    """What the table holds for ``code``: under the present key, or under one that was retired since."""
    digests = [_digest(code, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    known = StaticToken.objects.filter(device=device, token__in=digests).values_list("token", flat=True)
    return known.first() or digests[0]


def _digest(code: str, key: str | bytes | None = None) -> str:
    # The library would keep the codes readable, in a column of 16 characters: 64 bits of a keyed digest fit. It needs
    # no slow hash, since a code has 49 random bits and the key is not in the database.
    return salted_hmac("accounts.recovery_code", code, key, algorithm="sha256").hexdigest()[:16]
