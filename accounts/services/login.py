"""Log in by password or by a code in a text message, and record logins."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.errors import CredentialsWrong, SmsPhoneUnknown, SmsUserDisabled
from accounts.models import LoginLog, LoginMethod, User
from accounts.selectors import phone_logins
from accounts.services import login_captcha
from accounts.services.attempts import LoginContext, Outcome, attempt_record, refusals_recorded
from accounts.services.sms_codes import sms_code_phone, sms_code_spend
from core.db.purge import BATCH, rows_purge
from permissions.models import ROOT_ROLEID


def password_verify(*, username: str, password: str, context: LoginContext) -> User:
    """Return the active user with this name and password (with its role). A refusal is recorded as an attempt.

    The logins of the API and of the back office both call this, so that wrong passwords of either count for both.

    :raises CredentialsWrong: takes the same time for a wrong name as for a wrong password.
    :raises TooManyFailures: too many wrong passwords lately; says how long to wait.
    """
    user = User.objects.select_related("role").filter(username=username).first()
    epoch = user.epoch if user else None
    with refusals_recorded(context, username):
        login_captcha.captcha_require(username=username, epoch=epoch, context=context)
    if user is None:
        make_password(password)  # takes as long as a check: the time must not tell whether the name exists
        outcome = Outcome.UNKNOWN
    elif not user.check_password(password):
        outcome = Outcome.WRONG
    elif not user.is_active:
        outcome = Outcome.DISABLED
    else:
        login_captcha.failures_forgive(username=username, epoch=user.epoch, context=context)
        return user
    login_captcha.failure_count(username=username, epoch=epoch, context=context)
    attempt_record(context, outcome=outcome, username=username)
    raise CredentialsWrong


def is_own_password(user: User, password: str, context: LoginContext) -> bool:
    """Tell whether this is the password of ``user``. Wrong ones count under the limits of logins.

    :raises TooManyFailures: too many wrong passwords; a thief of the token must not guess the password here.
    """
    if not password:
        return False
    login_captcha.captcha_require(username=user.username, epoch=user.epoch, context=context)
    is_right = user.check_password(password)
    if not is_right:
        login_captcha.failure_count(username=user.username, epoch=user.epoch, context=context)
    return is_right


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
