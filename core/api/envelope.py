"""Make the envelope (``status``, ``state``, ``msg``) around every answer of the API."""

from typing import Any

import orjson
from django.http import HttpResponse

from core.errors import DomainError

JSON = "application/json; charset=utf-8"


class Envelope(HttpResponse):
    """An answer with its body as ``data``, too."""

    def __init__(self, body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(orjson.dumps(body), content_type=JSON, status=status, headers=headers)
        self.data = body


def ok(msg: str | None = None, *, status: int = 200, **fields: Any) -> Envelope:
    """Make a success answer. ``status`` is the number in the body; the HTTP status is always 200."""
    body: dict[str, Any] = {"status": status, "state": True}
    if msg is not None:
        body["msg"] = msg
    return Envelope(body | fields)


def error_response(error: DomainError) -> Envelope:
    """Make the answer for ``error``, inside an API view and outside: middleware, unknown paths."""
    return Envelope(error.body(), status=error.http_status, headers=error.headers)
