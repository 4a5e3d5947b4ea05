"""Ask for the password again before a dangerous action, if it was last typed more than an hour ago.

A stranger at a screen left open can then change no role, refund no money and export no list of persons.
A page calls ``require_password`` before it does anything. The entrance of the back office (``accounts.entrance``)
catches the exception, shows the password form, and then carries out the request.
"""

from datetime import datetime, timedelta

from django.http import HttpRequest

from core import times

FRESH_FOR = timedelta(hours=1)
_GIVEN_AT = "password_given_at"


class PasswordNeeded(Exception):
    """The password must be typed first; nothing was done. ``is_download``: the request answers a file, not a page."""

    def __init__(self, *, is_download: bool = False) -> None:
        super().__init__()
        self.is_download = is_download


def require_password(request: HttpRequest, *, is_download: bool = False) -> None:
    """Stop the request unless the password was typed within the last hour.

    :raises PasswordNeeded: it was typed too long ago, or never in this session.
    """
    given_at = request.session.get(_GIVEN_AT, 0)
    if times.now().timestamp() - given_at >= FRESH_FOR.total_seconds():
        raise PasswordNeeded(is_download=is_download)


def password_given(request: HttpRequest, *, now: datetime) -> None:
    """Remember in the session that the right password has just been typed."""
    request.session[_GIVEN_AT] = now.timestamp()
