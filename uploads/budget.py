"""How much of the disk pictures may take that no record refers to: anybody can send them.

All of them share ``MEDIA_UNUSED_MB``. Strangers get half of it, so that they cannot shut out those who are logged in,
and one sender gets a quarter, so that nobody can shut out the rest alone. ``MEDIA_FREE_MB`` of the disk stay free,
whoever sends.
"""

import shutil
from pathlib import Path

import structlog
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection, transaction
from django.db.models import Q, Sum, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils.crypto import salted_hmac

from uploads.errors import StoreFull, TooManyUnused
from uploads.models import Upload

log = structlog.get_logger("uploads")

MB = 1024 * 1024
STRANGERS_SHARE, SENDERS_SHARE = 2, 4
# The smallest picture counts as much: the sum never reads more than 16,384 rows a GB.
LEAST_BYTES = 64 * 1024
_STRANGER, _USER = "network:", "user:"


def sender_of(user_pk: int | None, network: str) -> str:
    """Name the sender of a picture for the budget; "" for ourselves. It does not tell the address."""
    if user_pk is not None:
        return f"{_USER}{user_pk}"
    return _STRANGER + salted_hmac("uploads.sender", network).hexdigest()[:24] if network else ""


def insert_within_budget(upload: Upload) -> None:
    """Write the row of a new picture.

    :raises TooManyUnused: it would go beyond what nobody refers to may take; nothing was written.
    """
    with transaction.atomic():
        if upload.sender:
            _wait_for_others()
            _refuse_beyond(upload)
        upload.save(force_insert=True)


def _wait_for_others() -> None:
    # One after another: two at once would both find room for the last megabyte.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('uploads.budget', 0))")


def _refuse_beyond(upload: Upload) -> None:
    limit = settings.MEDIA_UNUSED_MB * MB
    size = max(upload.size_bytes, LEAST_BYTES)
    total, strangers, own = (used + size for used in unused_bytes(upload.sender))
    is_strange = upload.sender.startswith(_STRANGER)
    if total > limit or (is_strange and strangers > limit // STRANGERS_SHARE):
        log.warning("unused pictures fill their budget", total_mb=total // MB, strangers_mb=strangers // MB)
        raise TooManyUnused
    if own > limit // SENDERS_SHARE:
        raise TooManyUnused


def unused_bytes(sender: str = "") -> tuple[int, int, int]:
    """Answer the bytes of the pictures that nobody refers to: of all senders, of strangers, of ``sender``."""
    size = Greatest("size_bytes", Value(LEAST_BYTES))

    def total(**those: str) -> Coalesce:
        return Coalesce(Sum(size, filter=Q(**those) if those else None), 0)

    counted = Upload.objects.filter(idle_since__isnull=False).exclude(sender="")
    sums = counted.aggregate(total=total(), strangers=total(sender__startswith=_STRANGER), own=total(sender=sender))
    return sums["total"], sums["strangers"], sums["own"]


def free_space_check() -> None:
    """:raises StoreFull: less than ``MEDIA_FREE_MB`` are free where pictures are kept."""
    free = free_bytes()
    if free is not None and free < settings.MEDIA_FREE_MB * MB:
        log.error("disk is nearly full", free_mb=free // MB)
        raise StoreFull


def free_bytes() -> int | None:
    """Answer what is free on the disk that holds the pictures; None where they are in a bucket."""
    if not isinstance(default_storage, FileSystemStorage):
        return None
    folder = Path(default_storage.location)
    while not folder.exists():
        folder = folder.parent  # the first picture makes it
    return shutil.disk_usage(folder).free
