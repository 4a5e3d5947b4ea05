"""How long a session of the back office lasts: 12 hours from its login, however much is done in it."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.services.second_factor import passed_forget
from core.admin.password import password_given

_SINCE = "logged_in_at"


def session_begin(request: HttpRequest, *, now: datetime) -> None:
    """Begin afresh: also where the same person logs in again in a session that is still there."""
    request.session.cycle_key()
    request.session[_SINCE] = now.timestamp()
    passed_forget(request.session)
    password_given(request, now=now)


def is_recent(session: Any, *, now: datetime) -> bool:
    return now.timestamp() - session.get(_SINCE, 0) < settings.SESSION_COOKIE_AGE
