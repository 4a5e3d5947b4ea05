"""Read the picture from a field of an API request: a file, or the URL of a picture."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from rest_framework.request import Request

from core import times
from core.api.request import absolute_url, caller_key, client_network
from core.cache.ratelimit import hit, seconds_to_wait
from core.errors import BadParameter, Throttled
from uploads.services import image_store, stored_address

# Three pictures a minute for each of a class of 40 behind one address.
MAX_UPLOADS_PER_MINUTE = 120
# 40 photographs of 12 megapixels took 8 s on a fast core. Two cores have 120 s in a minute.
MAX_PROCESSOR_MS_PER_MINUTE = 30_000
MAX_URL_LENGTH = 500
# A browser's FormData makes such texts of a picture that was not chosen.
_NO_PICTURE = {"", "null", "undefined"}


def image_or_url(request: Request, field: str) -> str:
    """Return what to store for the picture under ``field``, "" if there is none.

    A file is stored. A text must be the URL of a picture: http, https, or a path below /media/. A picture of ours is
    known by its path, whichever of our hosts the text names.
    Call it after all other checks, because a stored file stays for a day even if the request fails.

    :raises ImageRefused, Throttled, DecodersBusy, StoreFull: see ``image_file``.
    :raises BadParameter: the text is no such URL.
    """
    return image_file(request, field) or _image_url(request, field)


def image_file(request: Request, field: str) -> str:
    """Store the file under ``field`` and return its path, "" if there is no file.

    :raises ImageRefused: the file is no picture.
    :raises Throttled: too many uploads from this caller, or they took too much processor time.
    :raises DecodersBusy, StoreFull: no picture can be accepted now.
    """
    file = request.FILES.get(field)
    if not isinstance(file, UploadedFile):
        return ""
    # By user where one is logged in: a class behind one address would else pay together.
    caller = caller_key(request)
    wait_s = hit(f"upload:{caller}", limit=MAX_UPLOADS_PER_MINUTE, window_s=60)
    if wait_s := wait_s or seconds_to_wait(f"upload-ms:{caller}", limit=MAX_PROCESSOR_MS_PER_MINUTE):
        raise Throttled(wait_s)

    def charge(processor_ms: int) -> None:
        hit(f"upload-ms:{caller}", count=max(1, processor_ms), limit=MAX_PROCESSOR_MS_PER_MINUTE, window_s=60)

    user_pk, network = getattr(request.user, "pk", None), client_network(request)
    return image_store(file=file, user_pk=user_pk, network=network, charge=charge, now=times.now()).url_path


def _image_url(request: Any, field: str) -> str:
    text = request.data.get(field)
    if text is None or isinstance(text, UploadedFile):
        return ""
    if not isinstance(text, str):
        raise BadParameter("不是图片地址", field=field)
    text = text.strip()
    if text in _NO_PICTURE:
        return ""
    is_path = text.startswith(settings.MEDIA_URL)
    if len(text) > MAX_URL_LENGTH or not _is_web_address(absolute_url(request, text) if is_path else text):
        raise BadParameter("不是图片地址", field=field)
    return text if is_path else stored_address(text)


def _is_web_address(text: str) -> bool:
    if any(char.isspace() or char in "\"'<>\\`" or not char.isprintable() for char in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
