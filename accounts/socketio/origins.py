"""Who may connect from a page of another origin: the same settings as for the rest of the API."""

import re
from urllib.parse import urlsplit

from django.conf import settings


def is_allowed(origin: str, host: str) -> bool:
    """Judge the ``Origin`` header against CORS_* and the server's own ``Host``; no origin is no browser."""
    if not origin or settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS:
        return True
    patterns = getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", [])
    return _is_own(origin, host) or any(re.fullmatch(pattern, origin) for pattern in patterns)


def cors_headers(origin: str, asked: str = "") -> list[tuple[bytes, bytes]]:
    """Headers for an origin that is allowed: with credentials it is echoed, never ``*``.

    :param asked: the preflight's ``Access-Control-Request-Headers``.
    """
    headers = [(b"vary", b"Origin")]
    if origin:
        headers += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
        ]
    if asked:
        headers += [
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", asked.encode("latin-1")),
            (b"access-control-max-age", b"600"),
        ]
    return headers


def _is_own(origin: str, host: str) -> bool:
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
