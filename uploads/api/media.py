"""Serve stored pictures. The headers make a browser treat every file as a picture and nothing else."""

import structlog
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from core.api.envelope import error_response
from core.api.system import not_found
from core.errors import ServiceUnavailable, WrongMethod
from uploads.images import CONTENT_TYPES

log = structlog.get_logger("uploads")

_HEADERS = {
    "Content-Disposition": "inline",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # Clients are pages of other origins. A name is never used for a second picture, so it may be cached for ever.
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=31536000, immutable",
}


@csrf_exempt
def media(request: HttpRequest, name: str) -> HttpResponse | FileResponse:
    """Serve the picture ``name``. The URL pattern accepts only names that ``image_store`` creates."""
    if request.method not in {"GET", "HEAD"}:
        return error_response(WrongMethod())
    try:
        file = default_storage.open(name)
    except FileNotFoundError:
        return not_found(request)
    except Exception as error:  # the bucket is unreachable
        log.error("media store failed", name=name, reason=f"{type(error).__name__}: {error}"[:300])
        return error_response(ServiceUnavailable())
    return FileResponse(file, content_type=CONTENT_TYPES[name.rpartition(".")[2]], headers=_HEADERS)
