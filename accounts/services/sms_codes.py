"""Send codes in text messages, and check them.

A right code proves that its sender reads the messages of one number. It logs in (``login``), or makes the number a
login (``phones``). What limits guessing is the number of messages: a code ends after ``MAX_TRIES`` wrong tries, and the
messages to a number and from an address are limited. So no count over the whole site ever refuses a right code.

Messages cost money. The first ones to a number and from an address need no captcha, because older clients send none.
``SMS_DAILY_BUDGET`` limits the messages of a day; its last fifth is kept for people who solve a captcha.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils.crypto import get_random_string

from accounts.captcha import NO_ANSWER, CaptchaAnswer
from accounts.errors import CaptchaWrong, SmsCodeIncomplete, SmsCodeNotAsked, SmsCodeWrong, SmsNotSent
from accounts.sms import UPSTREAM, sms_send
from core.cache import ratelimit
from core.cache.valkey import client
from core.times import local, span

log = structlog.get_logger("accounts.sms")

DIGITS = 5
LIFETIME = timedelta(minutes=60)
KEY_LENGTH = 32
MAX_TRIES = 5
_REMEMBERED = timedelta(hours=24)  # until then an expired code gets another error than one that was never sent

MINUTE, HOUR, DAY = 60, 3600, 24 * 3600
# Messages: (name of the limit, how many, in how many seconds). 40 trainees behind one address may log in twice an hour.
PER_NUMBER = (("minute", 1, MINUTE), ("day", 10, DAY))
PER_ADDRESS = (("hour", 200, HOUR), ("day", 800, DAY))
# So many of them without a captcha, of the day's to a number and of the hour's from an address.
FREE_PER_NUMBER, FREE_PER_ADDRESS = 3, 100


def sms_code_send(
    *, phone: str, network: str, asker: str = "", captcha: CaptchaAnswer = NO_ANSWER, now: datetime
) -> str:
    """Send a new code to ``phone`` (11 digits); return the key that the client must send back together with the code.

    :param network: the caller's address as limits count it.
    :param asker: the caller's number (``unid``), "" without a token.
    :raises SmsNotSent: too many lately, a captcha is needed, or the provider does not send it; ``msg`` says which.
    :raises CaptchaWrong: a captcha is needed, and this one is wrong.
    """
    with UPSTREAM.room(SmsNotSent):
        _require_captcha(phone, network, captcha, now)
        _refuse_if_too_many(phone, network)
        code = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
        key = get_random_string(KEY_LENGTH)
        fields = {"code": code, "phone": phone, "ends": (now + LIFETIME).timestamp()}
        budget_take(now)
        with client().pipeline() as pipeline:
            pipeline.hset(_code_key(key), mapping=fields)
            pipeline.expire(_code_key(key), _REMEMBERED)
            pipeline.execute()
        try:
            sms_send(phone=phone, template=settings.SMS_TEMPLATE_CODE, values={"code": code}, asker=asker)
        except SmsNotSent:
            client().delete(_code_key(key))
            budget_give_back(now)
            for name, limit, window_s in PER_ADDRESS:
                ratelimit.hit(_address_key(name, network), limit=limit, window_s=window_s, count=-1)
            raise
    return key


def sms_code_phone(key: str) -> str:
    """Return the phone number to which a code was sent for ``key``.

    :raises SmsCodeNotAsked: nothing was sent for ``key`` within a day.
    """
    if len(key) != KEY_LENGTH or not key.isascii() or not key.isalnum():
        raise SmsCodeNotAsked
    phone = (client().hget(_code_key(key), "phone") or b"").decode()
    if not phone:
        raise SmsCodeNotAsked
    return phone


def sms_code_spend(*, key: str, code: str, now: datetime) -> None:
    """Check the code that was sent for ``key``, and use it up if it is right.

    :raises SmsCodeIncomplete: fewer than 5 characters.
    :raises SmsCodeNotAsked: nothing was sent for ``key``.
    :raises SmsCodeWrong: the code is wrong, expired, used, or was tried too often.
    """
    if len(code) < DIGITS:
        raise SmsCodeIncomplete
    if not client().exists(_code_key(key)):
        raise SmsCodeNotAsked
    # Counted before the comparison, so of many tries at once no more than MAX_TRIES are compared.
    many = ratelimit.hit(f"sms:try:{key}", limit=MAX_TRIES, window_s=_REMEMBERED.total_seconds())
    right, ends = client().hmget(_code_key(key), ["code", "ends"])
    if many or right is None or not secrets.compare_digest(right, code.encode()) or float(ends) <= now.timestamp():
        raise SmsCodeWrong
    # Two right ones may come at once: only one of them deletes the code.
    if not client().hdel(_code_key(key), "code"):
        raise SmsCodeWrong


# --- Limits ----------------------------------------------------------------------------------------


def _require_captcha(phone: str, network: str, captcha: CaptchaAnswer, now: datetime) -> None:
    many = ratelimit.seconds_to_wait(_number_key("day", phone), limit=FREE_PER_NUMBER)
    many = many or ratelimit.seconds_to_wait(_address_key("hour", network), limit=FREE_PER_ADDRESS)
    if not many and budget_used(now) < budget_near():
        return
    if not captcha.is_given():
        raise SmsNotSent("请先输入图形验证码")
    if not captcha.spend():
        raise CaptchaWrong


def _refuse_if_too_many(phone: str, network: str) -> None:
    limits = [
        *((_number_key(name, phone), limit, window_s) for name, limit, window_s in PER_NUMBER),
        *((_address_key(name, network), limit, window_s) for name, limit, window_s in PER_ADDRESS),
    ]
    # The number's limit comes first: a request that it refuses must not use up the limits of the address.
    for name, limit, window_s in limits:
        if wait_s := ratelimit.hit(name, limit=limit, window_s=window_s):
            rounded_s = wait_s if wait_s <= 2 * MINUTE else -(-wait_s // MINUTE) * MINUTE
            raise SmsNotSent(f"短信发送过于频繁,请 {span(timedelta(seconds=rounded_s))}后再试")


def budget_near() -> int:
    """Return after how many messages of a day each further one needs a captcha, and the engineer is warned."""
    return int(settings.SMS_DAILY_BUDGET) * 4 // 5


def budget_used(now: datetime) -> int:
    """Return how many messages went out today (Asia/Shanghai)."""
    return int(client().get(_budget_key(now)) or 0)


def budget_take(now: datetime) -> None:
    """Count a message of today's budget.

    :raises SmsNotSent: it is used up.
    """
    with client().pipeline() as pipeline:
        pipeline.incr(_budget_key(now))
        pipeline.expire(_budget_key(now), timedelta(days=2))
        number = pipeline.execute()[0]
    if number == budget_near() + 1:
        log.warning("four fifths of the day's text messages are used", used=number, budget=settings.SMS_DAILY_BUDGET)
    if number > settings.SMS_DAILY_BUDGET:
        budget_give_back(now)
        log.error("the day's text messages are used up", budget=settings.SMS_DAILY_BUDGET)
        raise SmsNotSent("今天的短信已经发完,请明天再试,或用密码登入")


def budget_give_back(now: datetime) -> None:
    """Take back ``budget_take``, for a message that was not sent."""
    client().decr(_budget_key(now))


def _budget_key(now: datetime) -> str:
    return f"spms:sms:budget:{local(now):%Y%m%d}"


def _number_key(name: str, phone: str) -> str:
    # A digest keeps the phone numbers out of Valkey.
    return f"sms:number:{name}:{hashlib.sha256(phone.encode()).hexdigest()[:32]}"


def _address_key(name: str, network: str) -> str:
    return f"sms:address:{name}:{network}"


def _code_key(key: str) -> str:
    return f"spms:sms:{key}"
