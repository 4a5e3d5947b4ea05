"""Log in by password or by a code in a text message, and record logins.

Guessing a password must be slow, and no attacker may lock a user out. Wrong passwords count together wherever they are
typed: the API's login, the back office's, and a change of the own password. Beyond a limit a login needs a captcha, for
a minute. A whole class behind one address stays far below.

A device that has logged in as this user with the present password is counted by itself, so other people's wrong
passwords ask nothing of it. All such devices of one user share a limit, because each login makes a device: beyond it
they count as clients without cookies, which are known by their address. From a known address only its own wrong
passwords count.

The limit is checked before the slow password hash and a failure is counted after it, because a right password must not
count. So a few guesses may pass a limit, at most as many as the server has threads.
"""

import hashlib
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

import redis
import structlog
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.errors import CredentialsWrong, SmsPhoneUnknown, SmsUserDisabled, TooManyFailures
from accounts.models import LoginLog, LoginMethod, User
from accounts.selectors import phone_logins
from accounts.services.login_records import LoginContext, Outcome, attempt_record, refusals_recorded
from accounts.services.sms_codes import sms_code_phone, sms_code_spend
from core.cache import ratelimit
from core.cache.valkey import client
from core.db.purge import BATCH, rows_purge
from permissions.models import ROOT_ROLEID

log = structlog.get_logger("accounts")

WINDOW_S = 60
PAIR_LIMIT = 30  # one account from one address, which a class may share; one account from a known device
DEVICES_LIMIT = 60  # one account from all its known devices
ACCOUNT_LIMIT = 60  # one account from all addresses it never logged in from
ADDRESS_LIMIT = 200  # all accounts from one address: 40 trainees with five typos each
KNOWN_FOR_S = 30 * 24 * 3600


def password_verify(*, username: str, password: str, context: LoginContext) -> User:
    """Return the active user with this name and password (with its role). A refusal is recorded as an attempt.

    The logins of the API and of the back office both call this, so that wrong passwords of either count for both.

    :raises CredentialsWrong: takes the same time for a wrong name as for a wrong password.
    :raises TooManyFailures: too many wrong passwords lately; says how long to wait.
    """
    user = User.objects.select_related("role").filter(username=username).first()
    with refusals_recorded(context, username):
        _require_captcha(username, user, context)
    if user is None:
        make_password(password)  # takes as long as a check: the time must not tell whether the name exists
        outcome = Outcome.UNKNOWN
    elif not user.check_password(password):
        outcome = Outcome.WRONG
    elif not user.is_active:
        outcome = Outcome.DISABLED
    else:
        _forgive_failures(user, context)
        return user
    _count_failure(username, user, context)
    attempt_record(context, outcome=outcome, username=username)
    raise CredentialsWrong


def own_password_verify(user: User, password: str, context: LoginContext) -> bool:
    """Check the password of a user who is logged in. A wrong one counts under the limits of logins.

    :raises TooManyFailures: too many wrong passwords; a thief of the token must not guess the password here.
    """
    if not password:
        return False
    _require_captcha(user.username, user, context)
    is_right = user.check_password(password)
    if not is_right:
        _count_failure(user.username, user, context)
    return is_right


def _require_captcha(username: str, user: User | None, context: LoginContext) -> None:
    """Ask for a captcha if there were too many wrong passwords; without Valkey never.

    :param user: None if no user has the name.
    :raises TooManyFailures: too many wrong passwords and no right captcha; says how long to wait without one.
    """
    try:
        counters = _counters(username, user, context)
        wait_s = max(ratelimit.seconds_to_wait(counter.key, limit=counter.limit) for counter in counters)
        if wait_s and not context.captcha.spend():
            raise TooManyFailures(wait_s)
    except redis.RedisError:
        log.warning("login failures are not limited: valkey does not answer")


def _count_failure(username: str, user: User | None, context: LoginContext) -> None:
    with suppress(redis.RedisError):  # _require_captcha has logged it
        for counter in _counters(username, user, context):
            ratelimit.hit(counter.key, limit=counter.limit, window_s=WINDOW_S)


def _forgive_failures(user: User, context: LoginContext) -> None:
    """After a right password: reset this caller's own counter, and remember the address as known for this account."""
    with suppress(redis.RedisError):  # _require_captcha has logged it
        own = _own_counter(user.username, _device(user.username, user, context), context)
        ratelimit.forget(own.key)
        client().set(_known_key(_digest(user.username), context), 1, ex=KNOWN_FOR_S)


class Counter(NamedTuple):
    """Counts wrong passwords under a key of Valkey."""

    key: str
    limit: int


def _counters(username: str, user: User | None, context: LoginContext) -> list[Counter]:
    """Return the counters that a wrong password increments and a login asks."""
    name, device = _digest(username), _device(username, user, context)
    own = _own_counter(username, device, context)
    if device:
        return [own, Counter(_devices_key(name), DEVICES_LIMIT)]
    if client().exists(_known_key(name, context)):
        return [own]
    address = Counter(f"login:address:{context.network}", ADDRESS_LIMIT)
    return [own, address, Counter(f"login:account:{name}", ACCOUNT_LIMIT)]


def _own_counter(username: str, device: str, context: LoginContext) -> Counter:
    """Return the counter of this device, or of this address where there is none, for one account."""
    name = _digest(username)
    key = f"login:device:{name}:{device}" if device else f"login:pair:{name}:{context.network}"
    return Counter(key, PAIR_LIMIT)


def _device(username: str, user: User | None, context: LoginContext) -> str:
    """Return the device if it has logged in as this user with the present password, and "" for any other.

    Once the user's devices together have reached their limit, none counts as known.
    """
    device = context.devices.get(username, "")
    if user is None or not device.startswith(f"{user.epoch}."):
        return ""
    is_over = ratelimit.seconds_to_wait(_devices_key(_digest(username)), limit=DEVICES_LIMIT)
    return "" if is_over else device


def _devices_key(name: str) -> str:
    return f"login:devices:{name}"


def _known_key(name: str, context: LoginContext) -> str:
    return f"spms:login:known:{name}:{context.network}"


def _digest(username: str) -> str:
    # The name may be of any length; its digest keeps the key short.
    return hashlib.sha256(username.encode()).hexdigest()[:32]


def sms_verify(*, key: str, code: str, context: LoginContext) -> User:
    """Return the active user (with its role) to whose number the ``code`` was sent. A refusal is recorded.

    Only a caller with the right code learns whether the number is a login.

    :raises SmsCodeNotAsked, SmsCodeIncomplete, SmsCodeWrong: see ``sms_code_spend``.
    :raises SmsPhoneUnknown: the number is no user's login, or root's, who never logs in by message.
    :raises SmsUserDisabled: nothing has changed.
    """
    phone = sms_code_phone(key)
    with refusals_recorded(context):
        sms_code_spend(key=key, code=code, now=context.now)
        logins = phone_logins().filter(phone=phone).exclude(role__roleid=ROOT_ROLEID)
        user = logins.select_related("role").first()
        if user is None:
            raise SmsPhoneUnknown
        if not user.is_active:
            raise SmsUserDisabled
        return user


def login_complete(*, user: User, context: LoginContext) -> None:
    """Record the login of a user whose identity is proved, by whatever means."""
    login_record(user=user, ip=context.ip, method=context.method, now=context.now)
    attempt_record(context, outcome=Outcome.DONE, username=user.username)


@transaction.atomic
def login_record(*, user: User, ip: str, method: LoginMethod = LoginMethod.API, now: datetime) -> LoginLog:
    """Add a row to the login log, with time and address of the login before.

    :raises CredentialsWrong: the user has been deleted since the password was checked.
    """
    # The update locks the user's row: if there are two logins at once, the second waits and sees the first one's entry.
    if not User.objects.filter(pk=user.pk).update(last_login=now):
        raise CredentialsWrong
    previous = LoginLog.objects.filter(user_id=user.pk).order_by("-pk").first()
    return LoginLog.objects.create(
        user_id=user.pk,
        username=user.username,
        ip=ip,
        method=method,
        logged_in_at=now,
        last_ip=previous.ip if previous else "",
        last_logged_in_at=previous.logged_in_at if previous else None,
    )


def logins_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete logins older than ``AUDIT_KEEP_DAYS``; return how many."""
    if not settings.AUDIT_KEEP_DAYS:
        return 0
    old = LoginLog.objects.filter(logged_in_at__lt=now - timedelta(days=settings.AUDIT_KEEP_DAYS))
    # Keep each user's newest login, because the next one copies its time and address.
    has_newer = Exists(LoginLog.objects.filter(user=OuterRef("user"), pk__gt=OuterRef("pk")))
    return rows_purge(old.filter(Q(user=None) | has_newer), batch=batch)
