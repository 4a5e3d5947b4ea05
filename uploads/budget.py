"""Limit the disk space of unused pictures, those to which no record refers. Any caller can upload them.

All unused pictures together may take ``MEDIA_UNUSED_MB``. Callers without a login get half of it, so that they cannot
keep users from uploading. One sender gets a quarter, so that none can fill the budget alone. Independently of this,
``MEDIA_FREE_MB`` of the disk must stay free.
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

from accounts.services.practice_ceilings import ceiling_keep
from uploads.errors import StoreFull, TooManyUnused
from uploads.models import Upload

log = structlog.get_logger("uploads")

MB = 1024 * 1024
STRANGERS_SHARE, SENDERS_SHARE = 2, 4  # divisors of the budget
# Every picture counts at least this much, so the sum never reads more than 16,384 rows for each GB of budget.
MIN_BYTES = 64 * 1024
_STRANGER, _USER = "network:", "user:"


def sender_of(user_pk: int | None, network: str) -> str:
    """Return the key of a sender in the budget; "" for pictures that the server itself stores.

    A caller without a login is known by a keyed digest of ``network``, which does not reveal the address.
    """
    if user_pk is not None:
        return f"{_USER}{user_pk}"
    return _STRANGER + salted_hmac("uploads.sender", network).hexdigest()[:24] if network else ""


def insert_within_budget(upload: Upload) -> None:
    """Insert the row of a new picture if the budget has room for it.

    :raises TooManyUnused: the budget, or the sender's share of it, is used up; nothing was written.
    :raises CeilingReached: on a practice server, the account has as many pictures as it may have.
    """
    with transaction.atomic():
        _keep_ceiling(upload)
        if upload.sender:
            _lock_budget()
            _check_budget(upload)
        upload.save(force_insert=True)


def _keep_ceiling(upload: Upload) -> None:
    pictures = Upload.objects.filter(uploaded_by=upload.uploaded_by_id, removed_at=None).order_by()

    def bytes_stored() -> int:
        return pictures.aggregate(total=Coalesce(Sum("size_bytes"), 0))["total"]

    limit_mb, user_pk = settings.PRACTICE_PICTURES_MB, upload.uploaded_by_id
    ceiling_keep(user_pk=user_pk, limit=limit_mb, unit=MB, what=" MB 图片", count=bytes_stored, more=upload.size_bytes)


def _lock_budget() -> None:
    # Let uploads check the budget one after another: two at once would both find room for the last megabyte.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('uploads.budget', 0))")


def _check_budget(upload: Upload) -> None:
    limit = settings.MEDIA_UNUSED_MB * MB
    size = max(upload.size_bytes, MIN_BYTES)
    total, strangers, own = (amount + size for amount in unused_bytes(upload.sender))
    is_stranger = upload.sender.startswith(_STRANGER)
    if total > limit or (is_stranger and strangers > limit // STRANGERS_SHARE):
        log.warning("unused pictures fill their budget", total_mb=total // MB, strangers_mb=strangers // MB)
        raise TooManyUnused
    if own > limit // SENDERS_SHARE:
        raise TooManyUnused


def unused_bytes(sender: str = "") -> tuple[int, int, int]:
    """Return the bytes of unused pictures: of all senders, of callers without a login, of ``sender``."""
    size = Greatest("size_bytes", Value(MIN_BYTES))

    def total(**condition: str) -> Coalesce:
        return Coalesce(Sum(size, filter=Q(**condition) if condition else None), 0)

    uploads = Upload.objects.filter(idle_since__isnull=False).exclude(sender="")
    sums = uploads.aggregate(total=total(), strangers=total(sender__startswith=_STRANGER), own=total(sender=sender))
    return sums["total"], sums["strangers"], sums["own"]


def free_space_check() -> None:
    """Check that the disk has room for pictures.

    :raises StoreFull: less than ``MEDIA_FREE_MB`` are free.
    """
    free = free_bytes()
    if free is not None and free < settings.MEDIA_FREE_MB * MB:
        log.error("disk is nearly full", free_mb=free // MB)
        raise StoreFull


def free_bytes() -> int | None:
    """Return the free bytes of the disk that holds the pictures; None if they are in a bucket."""
    if not isinstance(default_storage, FileSystemStorage):
        return None
    folder = Path(default_storage.location)
    while not folder.exists():
        folder = folder.parent  # the first picture creates the folder
    return shutil.disk_usage(folder).free
