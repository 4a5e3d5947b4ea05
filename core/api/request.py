"""What a request says about its sender."""

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from core.cache.ratelimit import network_of

_NO_TOKEN = {"", "null", "undefined"}  # what axios sends for a missing one


def token_of(request: Any) -> str | None:
    """Find the token: header ``authorization`` (raw or Bearer), else query ``token``, else body ``token``."""
    header = request.META.get("HTTP_AUTHORIZATION", "").strip()
    if header[:7].lower() == "bearer ":
        header = header[7:].strip()
    if header not in _NO_TOKEN and header.lower() != "bearer":
        return header
    query = request.query_params.get("token", "").strip()
    if query not in _NO_TOKEN:
        return query
    if request.method in {"GET", "HEAD"}:
        return None
    body = request.data.get("token")
    return body.strip() if isinstance(body, str) and body.strip() not in _NO_TOKEN else None


def client_ip(request: Any) -> str:
    """The caller's address, "" if unknown. ``X-Forwarded-For`` counts only behind as many proxies as settings name."""
    hops = settings.TRUSTED_PROXIES
    if hops:
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        if len(forwarded) >= hops and (address := _address(forwarded[-hops])):
            return address
    return _address(request.META.get("REMOTE_ADDR") or "")


def client_network(request: Any) -> str:
    """The caller's address as limits by address count it."""
    return network_of(client_ip(request))


def caller_key(request: Any) -> str:
    """The caller as limits for each caller count it: account and address together.

    A class shares a demo account: one trainee's call must not use up the turn of all others.
    """
    account = getattr(request.user, "pk", None)
    return f"{account or 'anybody'}@{client_network(request)}"


def is_from_here(request: HttpRequest) -> bool:
    """Whether a program on this machine asks, and no proxy for somebody else."""
    address = request.META.get("REMOTE_ADDR") or "127.0.0.1"
    return not request.headers.get("X-Forwarded-For") and ip_address(address).is_loopback


def _address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:  # "unknown", a port behind it, a forgery
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def user_agent(request: Any) -> str:
    """What the caller says it is; anything may stand there."""
    return request.META.get("HTTP_USER_AGENT", "")


def absolute_url(request: HttpRequest, path: str) -> str:
    """Make ``path`` a full address: below PUBLIC_BASE_URL where it is set, else below what the client called."""
    base = settings.PUBLIC_BASE_URL if settings.PUBLIC_BASE_URL_IS_SET else f"{request.scheme}://{request.get_host()}"
    return base + path
