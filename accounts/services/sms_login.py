"""Logging in by a code that was sent to one's phone.

Five digits are soon guessed, so what is limited is guessing: tries of one code, and wrong tries for one number, from
one address and on the whole site. Messages cost money, so they are limited the same four ways. Whether a number has
an account is told only to whoever has read a code sent to it.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from accounts.errors import (
    SmsCodeIncomplete,
    SmsCodeNotAsked,
    SmsCodeWrong,
    SmsNotSent,
    SmsPhoneUnknown,
    SmsUserDisabled,
)
from accounts.models import User
from accounts.services.attempts import Door, Outcome, attempt_record
from accounts.services.login import login_complete
from accounts.sms import sms_room, sms_send
from core.cache import ratelimit
from core.cache.valkey import client
from core.errors import DomainError
from core.ids import random_text

DIGITS = 5
LIFETIME = timedelta(minutes=60)
KEY_LENGTH = 32
MOST_TRIES = 5
_REMEMBERED = timedelta(hours=24)  # so long a code that is over is told from one that never was

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
# Messages: name of the limit, how many, in how many seconds. An address may be a school's: a class of forty, twice.
PER_NUMBER = (("minute", 1, MINUTE), ("day", 10, DAY))
PER_ADDRESS = (("hour", 80, HOUR), ("day", 400, DAY))
PER_SITE = (("minute", 60, MINUTE), ("day", 2000, DAY))
# Wrong tries. Of 100,000 codes somebody who uses all of a number's finds one in 2,000 days.
WRONG_PER_NUMBER = (50, DAY)
WRONG_PER_ADDRESS = (200, HOUR)
WRONG_PER_SITE = (2000, HOUR)

_OUTCOMES: dict[type[DomainError], Outcome] = {
    SmsCodeWrong: Outcome.CODE,
    SmsPhoneUnknown: Outcome.UNKNOWN,
    SmsUserDisabled: Outcome.DISABLED,
}

# One statement counts the try and compares: of two tries at once each counts, and only one spends the code.
_TRY = """
local kept = redis.call('HMGET', KEYS[1], 'code', 'phone', 'tries', 'ends')
if not kept[2] then return {'none', ''} end
if kept[1] == '' or tonumber(kept[3]) >= tonumber(ARGV[2]) or tonumber(kept[4]) <= tonumber(ARGV[3]) then
  return {'over', kept[2]}
end
if kept[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], 'code', '')
  return {'right', kept[2]}
end
redis.call('HINCRBY', KEYS[1], 'tries', 1)
return {'wrong', kept[2]}
"""


def sms_code_send(*, phone: str, network: str, now: datetime) -> str:
    """Send a new code to ``phone`` (11 digits); answer the key that its owner sends back with it.

    :param network: the caller's address as limits count it.
    :raises SmsNotSent: too many lately, or the provider does not send it.
    """
    with sms_room():
        _refuse_if_too_many(phone, network)
        code = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
        key = random_text(KEY_LENGTH)
        kept = {"code": code, "phone": phone, "tries": 0, "ends": (now + LIFETIME).timestamp()}
        with client().pipeline() as pipeline:
            pipeline.hset(_stored(key), mapping=kept)
            pipeline.expire(_stored(key), _REMEMBERED)
            pipeline.execute()
        try:
            sms_send(phone=phone, code=code)
        except SmsNotSent:
            client().delete(_stored(key))
            raise
    return key


def sms_login(*, key: str, code: str, ip: str, network: str, device: str = "", now: datetime) -> tuple[User, str]:
    """Log in by the code that was sent for ``key``; answer the user, role loaded, and a token.

    :raises SmsCodeNotAsked: nothing was sent for ``key``.
    :raises SmsCodeIncomplete: fewer than 5 characters.
    :raises SmsCodeWrong: another code was sent, or it is over, spent, or tried too often.
    :raises SmsPhoneUnknown: nobody has this number.
    :raises SmsUserDisabled: nothing has changed.
    """
    phone = _phone_of(key)
    try:
        _spend(key, phone, code, network, now)
        user = _user_of(phone)
    except (SmsCodeWrong, SmsPhoneUnknown, SmsUserDisabled) as refusal:
        outcome = _OUTCOMES[type(refusal)]
        attempt_record(door=Door.SMS, outcome=outcome, username=phone, ip=ip, device=device, now=now)
        raise
    return user, login_complete(user=user, ip=ip, now=now)


def _refuse_if_too_many(phone: str, network: str) -> None:
    limits = [
        *((f"sms:number:{name}:{_digest(phone)}", limit, window_s) for name, limit, window_s in PER_NUMBER),
        *((f"sms:address:{name}:{network}", limit, window_s) for name, limit, window_s in PER_ADDRESS),
        *((f"sms:site:{name}", limit, window_s) for name, limit, window_s in PER_SITE),
    ]
    # One after another, the number first: whoever is refused there uses up nothing of the others.
    for name, limit, window_s in limits:
        if wait_s := ratelimit.hit(name, limit=limit, window_s=window_s):
            raise SmsNotSent(f"短信发送过于频繁,请{_in_words(wait_s)}后再试")


def _phone_of(key: str) -> str:
    """Answer the number that a code was sent to for ``key``."""
    if len(key) != KEY_LENGTH or not key.isascii() or not key.isalnum():
        raise SmsCodeNotAsked
    phone = (client().hget(_stored(key), "phone") or b"").decode()
    if not phone:
        raise SmsCodeNotAsked
    return phone


def _spend(key: str, phone: str, code: str, network: str, now: datetime) -> None:
    """Use up the code that was sent for ``key`` to ``phone``."""
    if len(code) < DIGITS:
        raise SmsCodeIncomplete
    wrong = _wrong_tries(phone, network)
    if any(ratelimit.wait(name, limit=limit) for name, limit, _ in wrong):
        raise SmsCodeWrong
    outcome, _ = client().eval(_TRY, 1, _stored(key), code, MOST_TRIES, now.timestamp())
    if outcome == b"right":
        return
    if outcome == b"none":
        raise SmsCodeNotAsked
    for name, limit, window_s in wrong:
        ratelimit.hit(name, limit=limit, window_s=window_s)
    raise SmsCodeWrong


def _wrong_tries(phone: str, network: str) -> list[tuple[str, int, int]]:
    return [
        (f"sms:wrong:number:{_digest(phone)}", *WRONG_PER_NUMBER),
        (f"sms:wrong:address:{network}", *WRONG_PER_ADDRESS),
        ("sms:wrong:site", *WRONG_PER_SITE),
    ]


def _user_of(phone: str) -> User:
    """Find whose number it is and bind it: from its first login on a number belongs to one user.

    Several records may name a number that nobody has used yet; the oldest one gets it.
    """
    users = User.objects.select_related("role").filter(phone=phone)
    user = users.order_by("-is_phone_bound", "pk").first()
    if user is None:
        raise SmsPhoneUnknown
    if not user.is_active:
        raise SmsUserDisabled
    if not user.is_phone_bound:
        try:
            with transaction.atomic():
                users.filter(pk=user.pk).update(is_phone_bound=True)
        except IntegrityError:  # somebody else's login was faster
            return users.get(is_phone_bound=True)
    return user


def _in_words(seconds: int) -> str:
    if seconds <= 2 * MINUTE:
        return f"{seconds}秒"
    return f"{-(-seconds // MINUTE)}分钟" if seconds <= 2 * HOUR else f"{-(-seconds // HOUR)}小时"


def _digest(phone: str) -> str:
    # No list of numbers in Valkey.
    return hashlib.sha256(phone.encode()).hexdigest()[:32]


def _stored(key: str) -> str:
    return f"spms:sms:{key}"
