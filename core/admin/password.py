"""Asking for the password again before what is dangerous, when it was last given more than an hour ago.

A session that somebody left open on a screen then changes no role, sends no money back and takes no list of persons
away. ``require_password`` is all that a page has to call, before it does anything; the entrance of the back office
(``accounts.entrance``) shows the password form in its place, and goes on with what was asked.
"""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

FRESH_FOR = timedelta(hours=1)
_GIVEN_AT = "password_given_at"


class PasswordNeeded(Exception):
    """The password has to be given first; nothing was done. ``is_download``: what follows is a file and no page."""

    def __init__(self, *, is_download: bool = False) -> None:
        super().__init__()
        self.is_download = is_download


def require_password(request: HttpRequest, *, is_download: bool = False) -> None:
    """:raises PasswordNeeded: the password was last given too long ago."""
    given_at = request.session.get(_GIVEN_AT, 0)
    if timezone.now().timestamp() - given_at >= FRESH_FOR.total_seconds():
        raise PasswordNeeded(is_download=is_download)


def password_given(request: HttpRequest, *, now: datetime) -> None:
    """Remember that the right password was just given."""
    request.session[_GIVEN_AT] = now.timestamp()


class PasswordFirst:
    """Mixin of a page whose forms, deletion and actions ask for the password. Looking does not."""

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **options: Any) -> Any:
        page: Any = self
        if page.has_change_permission(request) if object_id else page.has_add_permission(request):
            require_password(request)
        return super().changeform_view(request, object_id, *args, **options)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        require_password(request)
        return super().delete_view(request, *args, **options)  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if request.method == "POST":
            require_password(request)
        return super().changelist_view(request, *args, **options)  # type: ignore[misc]
