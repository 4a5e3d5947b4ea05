"""Serve stored pictures. The headers make a browser treat every file as a picture and nothing else.

In production nginx serves the folder (``deploy/nginx.conf``), or the bucket does (``MEDIA_S3_LINKS``).
"""

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt

from core.api.envelope import error_response
from core.api.routing import not_found
from core.errors import ServiceUnavailable, WrongMethod
from uploads.limits import CONTENT_TYPES
from uploads.services import NAME_PATTERN
from uploads.store import picture_open

HEADERS = {
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
        return error_response(WrongMethod(headers={"Allow": "GET, HEAD"}))
    if settings.MEDIA_LINKS:
        # Shorter than a signed address is good for, see MEDIA_LINK_S.
        cache = {"Cache-Control": f"public, max-age={settings.MEDIA_LINK_S // 2}"}
        return HttpResponseRedirect(default_storage.url(name), headers=HEADERS | cache)
    try:
        file = picture_open(name)
    except FileNotFoundError:
        return not_found(request)
    except ServiceUnavailable as error:
        return error_response(error)
    return FileResponse(file, content_type=CONTENT_TYPES[name.rpartition(".")[2]], headers=HEADERS)


urlpatterns = [re_path(rf"^(?P<name>{NAME_PATTERN})\Z", media)]
