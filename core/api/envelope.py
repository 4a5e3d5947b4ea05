"""Make the envelope (``status``, ``state``, ``msg``) around every answer of the API."""

from typing import Any

import orjson
from django.http import HttpResponse
from rest_framework.response import Response

from core.errors import DomainError


def ok(msg: str | None = None, *, status: int = 200, **fields: Any) -> Response:
    """Make a success answer. ``status`` is the number in the body; the HTTP status is always 200."""
    body: dict[str, Any] = {"status": status, "state": True}
    if msg is not None:
        body["msg"] = msg
    return Response(body | fields)


def refusal(error: DomainError) -> Response:
    """Make the answer for ``error`` inside an API view."""
    return Response(error.body(), status=error.http_status, headers=error.headers)


def error_response(error: DomainError) -> HttpResponse:
    """Make the answer for ``error`` outside the API's views: middleware, unknown paths."""
    return HttpResponse(
        orjson.dumps(error.body()),
        status=error.http_status,
        content_type="application/json; charset=utf-8",
        headers=error.headers,
    )
