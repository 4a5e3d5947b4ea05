"""Limit sessions of the back office: each ends SESSION_COOKIE_AGE after its login, even if it is in use."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.services.second_factor import passed_forget
from core.admin.password import password_given

_SINCE = "logged_in_at"


def session_begin(request: HttpRequest, *, now: datetime) -> None:
    """Start the session's time and reset its second factor, also if the user logs in again in an open session."""
    request.session.cycle_key()
    request.session[_SINCE] = now.timestamp()
    passed_forget(request.session)
    password_given(request, now=now)


def is_recent(session: Any, *, now: datetime) -> bool:
    """Tell whether the session's login is less than SESSION_COOKIE_AGE ago."""
    return now.timestamp() - session.get(_SINCE, 0) < settings.SESSION_COOKIE_AGE
