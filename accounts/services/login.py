"""Logging in and out."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.errors import CredentialsWrong, TooManyFailures
from accounts.models import LoginLog, User
from accounts.services import failures
from accounts.services.attempts import Door, Outcome, Where, attempt_record
from accounts.tokens import token_issue
from core.db.purge import BATCH, rows_purge


def password_login(*, username: str, password: str, ip: str, device: str = "", now: datetime) -> tuple[User, str]:
    """Log in to the API by password; answer the user, role loaded, and a token.

    :raises CredentialsWrong, TooManyFailures: as ``password_verify`` does.
    """
    user = password_verify(username=username, password=password, door=Door.API, ip=ip, device=device, now=now)
    return user, login_complete(user=user, ip=ip, now=now)


def password_verify(*, username: str, password: str, door: Door, ip: str, device: str, now: datetime) -> User:
    """Answer the active user with this name and password, role loaded. A refusal is written down.

    Both doors, the API's and the back office's, come through here: guesses at either count for both.

    :param device: what the caller says it is, its ``User-Agent``.
    :raises CredentialsWrong: after the same time whether the name or the password is wrong.
    :raises TooManyFailures: too many wrong passwords lately; says when to come back.
    """
    where: Where = {"door": door, "ip": ip, "device": device, "now": now}
    try:
        failures.refuse_if_too_many(username=username, ip=ip)
    except TooManyFailures:
        attempt_record(outcome=Outcome.MANY, username=username, **where)
        raise
    user = User.objects.select_related("role").filter(username=username).first()
    if user is None:
        make_password(password)  # costs what checking one costs
        outcome = Outcome.UNKNOWN
    elif not user.check_password(password):
        outcome = Outcome.WRONG
    elif not user.is_active:
        outcome = Outcome.DISABLED
    else:
        failures.forgive(username=username, ip=ip)
        return user
    failures.count(username=username, ip=ip)
    attempt_record(outcome=outcome, username=username, **where)
    raise CredentialsWrong


def login_complete(*, user: User, ip: str, now: datetime) -> str:
    """Write the login of a ``user`` who has proved who he is to the log; answer a token."""
    login_record(user=user, ip=ip, now=now)
    return token_issue(user)


@transaction.atomic
def login_record(*, user: User, ip: str, now: datetime) -> LoginLog:
    # The update locks the user's row: of two logins at once the second sees the first one's entry.
    User.objects.filter(pk=user.pk).update(last_login=now)
    previous = LoginLog.objects.filter(user_id=user.pk).order_by("-pk").first()
    return LoginLog.objects.create(
        user_id=user.pk,
        username=user.username,
        ip=ip,
        logged_in_at=now,
        last_ip=previous.ip if previous else "",
        last_logged_in_at=previous.logged_in_at if previous else None,
    )


def logins_purge(*, now: datetime, batch: int = BATCH) -> int:
    """Delete the logins that ``AUDIT_KEEP_DAYS`` keeps no longer; answer how many."""
    if not settings.AUDIT_KEEP_DAYS:
        return 0
    old = LoginLog.objects.filter(logged_in_at__lt=now - timedelta(days=settings.AUDIT_KEEP_DAYS))
    # Each user's newest one stays: the next login tells when and from where the last one was.
    is_outdone = Exists(LoginLog.objects.filter(user=OuterRef("user"), pk__gt=OuterRef("pk")))
    return rows_purge(old.filter(Q(user=None) | is_outdone), batch=batch)
