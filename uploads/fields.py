"""Read the picture from a field of an API request: a file, or the URL of a picture."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from core import times
from core.api.request import absolute_url, client_network
from core.cache.ratelimit import hit
from core.errors import BadParameter, Throttled
from uploads.decoder import processor_s
from uploads.errors import ImageRefused
from uploads.services import image_store, stored_address

# Three pictures a minute for each of a class of 40 behind one address.
UPLOADS_PER_MINUTE = 120
# Each full second of decoding counts as so many uploads.
UPLOADS_PER_SECOND = 5
MAX_URL_LENGTH = 500
# A browser's FormData makes such texts of a picture that was not chosen.
_NO_PICTURE = {"", "null", "undefined"}


def image_or_url(request: Any, field: str) -> str:
    """Return what to store for the picture under ``field``, "" if there is none.

    A file is stored. A text must be the URL of a picture: http, https, or a path below /media/. A picture of ours is
    known by its path, whichever of our hosts the text names.
    Call it after all other checks, because a stored file stays for a day even if the request fails.

    :raises ImageRefused, Throttled, DecodersBusy, StoreFull: see ``image_file``.
    :raises BadParameter: the text is no such URL.
    """
    return image_file(request, field) or _image_url(request, field)


def image_file(request: Any, field: str) -> str:
    """Store the file under ``field`` and return its path, "" if there is no file.

    :raises ImageRefused: the file is no picture.
    :raises Throttled: too many uploads from this address.
    :raises DecodersBusy, StoreFull: no picture can be accepted now.
    """
    file = request.FILES.get(field)
    if not isinstance(file, UploadedFile):
        return ""
    network = client_network(request)
    counter = f"upload:{network}"
    if wait_s := hit(counter, limit=UPLOADS_PER_MINUTE, window_s=60):
        raise Throttled(wait_s)
    processor_s.set(0)
    try:
        image = image_store(file=file, user_pk=getattr(request.user, "pk", None), network=network, now=times.now())
    except ImageRefused:
        _count_time(counter)
        raise
    _count_time(counter)
    return image.url_path


def _count_time(counter: str) -> None:
    # Pictures that take long to decode count more, so that an address may send fewer of them. Not the time that they
    # waited: a class uploads from one address, and on a busy machine it would be refused for what others do.
    if extra := UPLOADS_PER_SECOND * int(processor_s.get()):
        hit(counter, count=extra, limit=UPLOADS_PER_MINUTE, window_s=60)


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
