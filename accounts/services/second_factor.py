"""The second factor of the back office: codes from an app on a phone, and recovery codes on paper if the phone is lost.

django-otp stores the devices. A code works once. Each wrong code doubles the wait before the next attempt, so guessing
one of a million is hopeless. Codes are asked for after the password, so a stranger cannot make a user wait.
"""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.crypto import get_random_string, salted_hmac
from django_otp import verify_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.demo_users import is_demo_account
from accounts.models import User
from accounts.services.login_records import LoginContext, Outcome, attempt_record
from core.audit import change_note

DIGITS = 6
RECOVERY_CODES = 10
RECOVERY_LENGTH = 10
# Without characters that look alike on paper (0o, 1il). 10 characters are 49 bits.
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
PENDING_FOR = timedelta(minutes=30)  # until then an unconfirmed key is shown again; later a new one is made
_WRONG = "验证码不对,或者已经用过"
_AUDITED_AS = "动态验证码"
_PASSED = "second_factor"  # the session's key for the device with which it passed


class LoginStage(Enum):
    """What a person who gave the right password still has to do before entering."""

    INSIDE = auto()  # nothing
    CODE = auto()  # type a code
    ENROL = auto()  # set up a second factor, which is required and missing


def is_offered() -> bool:
    """Tell whether users can have a second factor at all."""
    return settings.ADMIN_TOTP != "off"


def is_demanded(user: User) -> bool:
    """Tell whether ``user`` must have a second factor to work in the back office."""
    if is_demo_account(user.username):
        return False
    return settings.ADMIN_TOTP == "staff" or (settings.ADMIN_TOTP == "root" and user.is_superuser)


def login_stage(user: User, session: Any) -> LoginStage:
    """Return what ``user`` still has to do in this session."""
    if not is_offered():
        return LoginStage.INSIDE
    device = phone_device_of(user)
    if device is None:
        return LoginStage.ENROL if is_demanded(user) else LoginStage.INSIDE
    return LoginStage.INSIDE if session.get(_PASSED) == device.pk else LoginStage.CODE


def phone_device_of(user: User) -> TOTPDevice | None:
    """Return the user's phone; None without a second factor."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


def passed_remember(session: Any, device: TOTPDevice) -> None:
    """Remember in ``session`` that its user has shown a code of ``device`` or a recovery code."""
    session[_PASSED] = device.pk
    session.cycle_key()


def passed_forget(session: Any) -> None:
    session.pop(_PASSED, None)


def code_check(*, user: User, code: str, context: LoginContext) -> TOTPDevice:
    """Check a code of the user's phone or a recovery code, and use it up; return the phone.

    :raises ValidationError: the code is wrong or was used before, or comes within the wait after a wrong one.
    """
    phone = phone_device_of(user)
    code = "".join(code.split()).replace("-", "").lower()
    is_of_phone = len(code) == DIGITS
    device = phone if is_of_phone else StaticDevice.objects.filter(user=user).first()
    if phone is None or device is None:
        raise ValidationError(_WRONG)
    is_allowed, why = device.verify_is_allowed()
    if not is_allowed:
        wait_s = max(0, int((why["locked_until"] - context.now).total_seconds())) + 1
        raise ValidationError(f"验证码错误次数过多，请 {wait_s} 秒后再试")
    if not verify_token(user, device.persistent_id, code if is_of_phone else _stored_as(device, code)):
        attempt_record(context, outcome=Outcome.CODE, username=user.username)
        raise ValidationError(_WRONG)
    return phone


# --- Setting up and removing a second factor ---------------------------------------------------------


@transaction.atomic
def enrolment_begin(*, user: User, now: datetime) -> TOTPDevice:
    """Return an unconfirmed phone, whose key the user's app must read. It has no effect until it is confirmed.

    :raises ValidationError: the account is a shared demo account, or has a second factor already.
    """
    _refuse(_user_lock(user))
    pending = TOTPDevice.objects.filter(user=user, confirmed=False)
    pending.filter(created_at__lte=now - PENDING_FOR).delete()
    return pending.first() or TOTPDevice.objects.create(user=user, name="手机", confirmed=False)


@transaction.atomic
def enrolment_confirm(*, user: User, code: str) -> tuple[TOTPDevice, list[str]]:
    """Confirm the phone if ``code`` shows that its app has read the key; return it and new recovery codes.

    :raises ValidationError: the code is wrong, or see ``enrolment_begin``; nothing has changed.
    """
    _refuse(_user_lock(user))
    pending = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    if pending is not None:
        # The library's wait after a wrong code does not apply here: the person sees the key and has no need to guess.
        pending.throttle_reset(commit=False)
    if pending is None or not pending.verify_token("".join(code.split())):
        raise ValidationError("验证码不对：请看手机的时间准不准，再填一次新的")
    pending.confirmed = True
    pending.save()
    change_note(user, _AUDITED_AS, "", "已绑定")
    return pending, _recovery_codes_make(user)


@transaction.atomic
def recovery_codes_renew(*, user: User) -> list[str]:
    """Create new recovery codes, which replace the earlier ones, and return them; none without a second factor."""
    if phone_device_of(_user_lock(user)) is None:
        return []
    change_note(user, _AUDITED_AS, "", "重新生成恢复码")
    return _recovery_codes_make(user)


def recovery_codes_left(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


@transaction.atomic
def second_factor_remove(*, user: User) -> bool:
    """Remove the user's second factor and recovery codes; return False if there was none."""
    _user_lock(user)
    number, _ = TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    if number:
        change_note(user, _AUDITED_AS, "已绑定", "")
    return bool(number)


def _user_lock(user: User) -> User:
    # Lock the user: if two enrolments run at once, the second waits and finds the first one's phone. The role is not
    # joined: a user whose role changes while this waits would not be found (see ``users._locked``).
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _refuse(user: User) -> None:
    if is_demo_account(user.username):
        raise ValidationError("演示账号大家共用，不能绑定")
    if phone_device_of(user):
        raise ValidationError("已经绑定了一部手机")


def _recovery_codes_make(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="恢复码")
    codes = [get_random_string(RECOVERY_LENGTH, _RECOVERY_ALPHABET) for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(code)) for code in codes)
    half = RECOVERY_LENGTH // 2
    return [f"{code[:half]}-{code[half:]}" for code in codes]


def _stored_as(device: StaticDevice, code: str) -> str:
    """Return the stored digest of ``code``, made with the present SECRET_KEY or with an earlier one."""
    digests = [_digest(code, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    tokens = StaticToken.objects.filter(device=device, token__in=digests).values_list("token", flat=True)
    return tokens.first() or digests[0]


def _digest(code: str, key: str | bytes | None = None) -> str:
    # The library stores codes in plain text, so a thief of the database could read them. Store 64 bits of a keyed
    # digest instead, which fit its column of 16 characters. It needs no slow hash: a code has 49 random bits, and the
    # key is not in the database.
    return salted_hmac("accounts.recovery_code", code, key, algorithm="sha256").hexdigest()[:16]
