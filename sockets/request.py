"""What a client's first message says: the head of an HTTP request, or of a WebSocket's handshake."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

from core.api.request import address_of


class Request:
    def __init__(self, scope: dict[str, Any]) -> None:
        self.path: str = scope["path"]
        self.method: str = scope.get("method", "")
        self.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self._peer = (scope.get("client") or ("",))[0]

    @property
    def address(self) -> str:
        """The client's address in the sandbox, "" elsewhere: only there a session is found by it."""
        return address_of(self._peer, self.headers.get("x-forwarded-for", "")) if settings.SANDBOX else ""

    @property
    def has_allowed_origin(self) -> bool:
        """Whether CORS_* allow the request's origin, or it is this server's own.

        One without ``Origin`` is allowed: browsers always send it with WebSockets and cross-origin requests.
        """
        origin, host = self.headers.get("origin"), self.headers.get("host")
        if not origin or settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS:
            return True
        try:
            return bool(host) and urlsplit(origin).netloc.lower() == str(host).lower()
        except ValueError:
            return False
