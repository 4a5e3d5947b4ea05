"""Decide which origins may connect, by the CORS settings that hold for the rest of the API too."""

import re
from urllib.parse import urlsplit

from django.conf import settings


def is_allowed(origin: str, host: str) -> bool:
    """Tell whether ``origin`` (the header) is allowed by CORS_* or is this server's own.

    A request without an ``Origin`` is allowed: browsers always send one with WebSockets and cross-origin requests.
    """
    if not origin or settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS:
        return True
    patterns = getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", [])
    return _is_own(origin, host) or any(re.fullmatch(pattern, origin) for pattern in patterns)


def cors_headers(origin: str, requested: str = "") -> list[tuple[bytes, bytes]]:
    """Return the headers for an allowed origin. The origin itself is sent, since credentials forbid ``*``.

    :param requested: the preflight's ``Access-Control-Request-Headers``.
    """
    headers = [(b"vary", b"Origin")]
    if origin:
        headers += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
        ]
    if requested:
        headers += [
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", requested.encode("latin-1")),
            (b"access-control-max-age", b"600"),
        ]
    return headers


def _is_own(origin: str, host: str) -> bool:
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
