"""Full addresses in answers: of stored pictures and of our pages, by the address at which the caller reaches us."""

from django.conf import settings
from django.http import HttpRequest

from core.api.request import present_request


def full_url(address: str) -> str:
    """Return the full address of a stored one: a path of ours gets the base of the moment, others stay as they are.

    Without a request (a task, a streamed export) that base is PUBLIC_BASE_URL.
    """
    return absolute_url(present_request(), address) if address.startswith("/") else address


def absolute_url(request: HttpRequest | None, path: str) -> str:
    """Return the full address of ``path``: below PUBLIC_BASE_URL if it is set, else below the host the client named."""
    if settings.PUBLIC_BASE_URL_IS_SET or request is None:
        return settings.PUBLIC_BASE_URL + path
    return f"{request.scheme}://{request.get_host()}{path}"
