"""Log in by a code in a text message.

A code of five digits could be guessed soon. So wrong codes are limited for each code, each phone number, each address
and the whole site. Messages cost money, so their number is limited for each phone number, each address and the site.
Only a caller with the right code learns whether the phone number has an account.
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
_REMEMBERED = timedelta(hours=24)  # until then an expired code gets another error than one that was never sent

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
# Messages: (name of the limit, how many, in how many seconds). 40 trainees behind one address may log in twice an hour.
PER_NUMBER = (("minute", 1, MINUTE), ("day", 10, DAY))
PER_ADDRESS = (("hour", 80, HOUR), ("day", 400, DAY))
PER_SITE = (("minute", 60, MINUTE), ("day", 2000, DAY))
# Wrong codes: (how many, in how many seconds). 50 guesses a day at 100,000 codes hit one in 2,000 days.
WRONG_PER_NUMBER = (50, DAY)
WRONG_PER_ADDRESS = (200, HOUR)
WRONG_PER_SITE = (2000, HOUR)

_OUTCOMES: dict[type[DomainError], Outcome] = {
    SmsCodeWrong: Outcome.CODE,
    SmsPhoneUnknown: Outcome.UNKNOWN,
    SmsUserDisabled: Outcome.DISABLED,
}

# Compare a code and count the attempt. Two attempts may come at once: in one atomic script each of them is counted, and
# only one can use up the code. ARGV: code, most tries, now (seconds). Returns a word and the phone number:
# 'none' (nothing was sent), 'over' (expired, used, or too many wrong attempts), 'right' or 'wrong'.
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
    """Send a new code to ``phone`` (11 digits); return the key that the client must send back together with the code.

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
    """Log in by the code that was sent for ``key``; return the user (with its role) and a token.

    :raises SmsCodeNotAsked: nothing was sent for ``key``.
    :raises SmsCodeIncomplete: fewer than 5 characters.
    :raises SmsCodeWrong: the code is wrong, expired, used, or was tried too often.
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
    return user, login_complete(user=user, door=Door.SMS, ip=ip, device=device, now=now)


def _refuse_if_too_many(phone: str, network: str) -> None:
    limits = [
        *((f"sms:number:{name}:{_digest(phone)}", limit, window_s) for name, limit, window_s in PER_NUMBER),
        *((f"sms:address:{name}:{network}", limit, window_s) for name, limit, window_s in PER_ADDRESS),
        *((f"sms:site:{name}", limit, window_s) for name, limit, window_s in PER_SITE),
    ]
    # The number's limit comes first: a request that it refuses must not use up the limits of the address and the site.
    for name, limit, window_s in limits:
        if wait_s := ratelimit.hit(name, limit=limit, window_s=window_s):
            raise SmsNotSent(f"短信发送过于频繁,请{_in_words(wait_s)}后再试")


def _phone_of(key: str) -> str:
    """Return the phone number to which a code was sent for ``key``."""
    if len(key) != KEY_LENGTH or not key.isascii() or not key.isalnum():
        raise SmsCodeNotAsked
    phone = (client().hget(_stored(key), "phone") or b"").decode()
    if not phone:
        raise SmsCodeNotAsked
    return phone


def _spend(key: str, phone: str, code: str, network: str, now: datetime) -> None:
    """Check the code that was sent for ``key`` to ``phone``, and use it up."""
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
    # A code that is over was not compared, so nothing was guessed. If it counted, one message would be enough to lock a
    # number out for a day, and a few addresses to lock everybody out.
    if outcome == b"wrong":
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
    """Find the user of a phone number; the first login binds the number to this user alone.

    Until then several users may have the number in their records; the oldest of them gets it.
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
    # Keys with a digest keep phone numbers out of Valkey.
    return hashlib.sha256(phone.encode()).hexdigest()[:32]


def _stored(key: str) -> str:
    return f"spms:sms:{key}"
