"""Read from a request who sends it (token, address, limits' key), and by which address the sender reaches us."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from core.cache.ratelimit import network_of

_NO_TOKEN = {"", "null", "undefined"}  # axios sends these texts when a client has no token


def token_of(request: Any) -> str | None:
    """Return the token of header ``authorization``, else of the query, else of the body, raw or Bearer; or None."""
    if token := token_of_head(request):
        return token
    if request.method in {"GET", "HEAD"} or not _may_hold_token(request):
        return None
    return _token_in(request.data.get("token"))


def token_of_head(request: HttpRequest) -> str | None:
    """Return the token of the header, else of the query; or None. Works for Django's requests, too."""
    return _token_in(request.META.get("HTTP_AUTHORIZATION")) or _token_in(request.GET.get("token"))


def _token_in(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    text = re.sub(r"(?i)\Abearer(\s+|\Z)", "", text.strip())
    return None if text in _NO_TOKEN else text


def _may_hold_token(request: Any) -> bool:
    """Look for the name in the body before it is parsed, so that a body without it costs a caller's refusal little.

    A form with files is read as it arrives and never held whole, so there only parsing can tell.
    """
    return request.content_type.lower().startswith("multipart/") or b"token" in request._request.body


def client_ip(request: HttpRequest) -> str:
    """Return the caller's IP address, "" if unknown.

    ``X-Forwarded-For`` is read only if it has passed ``TRUSTED_PROXIES`` proxies: a client can send that header too.
    """
    return address_of(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(peer: str, forwarded_for: str) -> str:
    """Return the address of a caller whose connection comes from ``peer``; ``forwarded_for`` is the header."""
    hops = settings.TRUSTED_PROXIES
    if hops:
        forwarded = [part.strip() for part in forwarded_for.split(",") if part.strip()]
        if len(forwarded) >= hops and (address := _address(forwarded[-hops])):
            return address
    return _address(peer)


def client_network(request: HttpRequest) -> str:
    """Return the address under which limits count the caller: an IPv4 address or an IPv6 /64."""
    return network_of(client_ip(request))


def caller_key(request: HttpRequest) -> str:
    """Return the key under which limits count a caller: account and address together.

    A class shares a demo account: counted by account alone, one trainee's call would use up the others' turn.
    """
    account = getattr(request.user, "pk", None)
    return f"{account or 'stranger'}@{client_network(request)}"


def is_from_here(request: HttpRequest) -> bool:
    """Tell whether a program on this machine sends the request, and not a proxy on behalf of another machine."""
    address = request.META.get("REMOTE_ADDR") or "127.0.0.1"
    is_own = ip_address(address).is_loopback or address in settings.OWN_ADDRESSES
    return is_own and not request.headers.get("X-Forwarded-For")


@lru_cache(maxsize=1024)
def _address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:  # "unknown", a port behind it, a forgery
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def user_agent(request: HttpRequest) -> str:
    """Return the User-Agent header as it came: a client may write anything."""
    return request.META.get("HTTP_USER_AGENT", "")


# Signals, the rows of answers and the columns of lists are far from the request and need it.
_present: ContextVar[HttpRequest | None] = ContextVar("present_request", default=None)


@contextmanager
def answering(request: HttpRequest) -> Iterator[None]:
    """Let :func:`present_request` return ``request`` in the block."""
    token = _present.set(request)
    try:
        yield
    finally:
        _present.reset(token)


def present_request() -> HttpRequest | None:
    return _present.get()


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
