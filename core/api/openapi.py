"""The OpenAPI document at ``/schema/``."""

import hashlib
import json
from functools import cache
from threading import Lock
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import condition
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from core.api.envelope import error_response
from core.api.request import absolute_url
from core.errors import WrongMethod

_making = Lock()


@cache
def _made() -> tuple[bytes, str]:
    body = OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True), renderer_context={})
    return body, hashlib.sha256(body).hexdigest()[:32]


def _document() -> tuple[bytes, str]:
    """Return the document and its digest. It takes 0.1 s, so each process makes it once."""
    with _making:
        return _made()


def document(base: str) -> dict[str, Any]:
    """Return the document as a reader at this address gets it."""
    content: dict[str, Any] = json.loads(_document()[0].replace(b"BASE_URL", base.encode()))
    return content


def _etag(request: HttpRequest) -> str:
    base = hashlib.sha256(absolute_url(request, "").encode()).hexdigest()
    return f'"{_document()[1]}{base[:32]}"'


@condition(etag_func=_etag)
def schema(request: HttpRequest) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return error_response(WrongMethod())
    # The examples of the description name the address by which the reader came.
    body = _document()[0].replace(b"BASE_URL", absolute_url(request, "").encode())
    # With no-cache a browser asks each time whether its copy is still current, so an upgrade shows at once.
    return HttpResponse(body, content_type=OpenApiJsonRenderer.media_type, headers={"Cache-Control": "no-cache"})
