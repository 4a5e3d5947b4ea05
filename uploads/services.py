"""Store pictures, record which records refer to them, and remove the unused ones."""

import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from core.db.connections import connection_release
from core.errors import ServiceUnavailable
from core.times import local
from uploads.budget import free_space_check, insert_within_budget, sender_of
from uploads.decoder import WAIT_S, Charge, image_decode
from uploads.errors import ImageEmpty, ImageTooLarge
from uploads.limits import MAX_BYTES
from uploads.models import ImageUse, Upload
from uploads.store import is_bucket, picture_save

log = structlog.get_logger("uploads")

ORPHAN_AFTER = timedelta(hours=24)
NAME_PATTERN = r"[0-9]{4}/[0-9]{2}/[0-9a-f]{32}\.(?:jpg|png|gif|webp)"


def image_store(
    *,
    file: "UploadedFile[Any]",
    user_pk: int | None,
    network: str = "",
    wait_s: float = WAIT_S,
    charge: Charge | None = None,
    now: datetime,
) -> Upload:
    """Check, re-encode and store a picture. It is removed after ``ORPHAN_AFTER`` unless a record adopts it.

    Call it outside a transaction: a rollback would remove the row and leave the file.

    :param network: the address of a caller without a login, as limits count it.
    :param wait_s: how long to wait for a free decoder.
    :param charge: is told the processor time in ms that decoding took, also if the picture is refused.
    :raises ImageRefused, DecodersBusy, StoreFull, TooManyUnused: nothing was stored.
    """
    if not file.size:
        raise ImageEmpty
    if file.size > MAX_BYTES:
        raise ImageTooLarge
    free_space_check()
    connection_release()  # many may wait for a decoder
    clean = image_decode(cast(BinaryIO, file), wait_s=wait_s, charge=charge)
    upload = Upload(
        name=f"{local(now):%Y/%m}/{secrets.token_hex(16)}.{clean.extension}",
        content_type=clean.content_type,
        size_bytes=len(clean.content),
        width=clean.width,
        height=clean.height,
        uploaded_by_id=user_pk,
        sender=sender_of(user_pk, network),
        created_at=now,
        idle_since=now,
    )
    insert_within_budget(upload)
    # The row exists already. If the process dies here, the clean-up finds the row and removes the file.
    try:
        picture_save(upload.name, clean.content, clean.content_type)
    except ServiceUnavailable:
        _give_up(upload)
        raise
    return upload


def _give_up(upload: Upload) -> None:
    """Remove what may be there of a picture that was not stored."""
    with suppress(OSError):
        if not is_bucket():
            default_storage.delete(upload.name)
            upload.delete()
            return
    # A bucket that did not answer may have the picture, or get it yet, and would keep the request waiting once more:
    # leave it to the clean-up. Without its row the file would stay for ever.
    Upload.objects.filter(pk=upload.pk).update(removed_at=Now(), sender="")


@transaction.atomic
def image_adopt(*, url: str, owner: str) -> bool:
    """Make the record ``owner`` (such as ``students.Student:12``) refer to the picture at ``url`` and to no other.

    Call it in the transaction that writes the record. If ``url`` is empty or on another server, only the earlier
    reference ends.

    :returns: whether ``url`` is a picture of this server, which now stays.
    """
    name = _name_in(url)
    _lock_owner(owner)
    use = ImageUse.objects.filter(owner=owner).first()
    uploads = Upload.objects.filter(Q(name=name) | Q(pk=use and use.upload_id), removed_at=None)
    # Lock in the order of pk: otherwise two records that swap their pictures at once would deadlock.
    rows = {upload.name: upload for upload in uploads.order_by("pk").select_for_update(no_key=True)}
    upload = rows.get(name)
    if use and (upload is None or use.upload_id != upload.pk):
        use.delete()
        Upload.objects.filter(pk=use.upload_id, uses=None).update(idle_since=Now())
        use = None
    if upload and use is None:
        ImageUse.objects.create(owner=owner, upload=upload)
        Upload.objects.filter(pk=upload.pk).update(idle_since=None)
    return upload is not None


@transaction.atomic
def image_release(*, owner: str) -> None:
    """End the reference of ``owner``, which is being deleted."""
    _lock_owner(owner)
    images_release(owners=[owner])


def images_hand_over(pairs: Sequence[tuple[str, str]]) -> None:
    """Move references: for each pair (old owner, new owner) the new owner takes over the picture.

    Call it in the transaction that changes the records, with their rows locked. The new owners must have no picture.
    """
    before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE uploads_imageuse AS u SET owner = v.after FROM unnest(%s::text[], %s::text[]) AS v (before, after)"
            " WHERE u.owner = v.before",
            [before, after],
        )


@transaction.atomic
def images_release(*, owners: Sequence[str]) -> None:
    """End the references of many owners, which are being deleted. Nothing else may change them meanwhile.

    The pictures are removed ``ORPHAN_AFTER`` later unless other records use them. Until then they count in no
    budget: deleting a thousand students with photographs must not keep callers from uploading.
    """
    uses = ImageUse.objects.filter(owner__in=owners)
    # Lock the pictures in the order of pk before the references are deleted. An adoption at the same moment either
    # comes first, or waits and finds the picture unused.
    rows = Upload.objects.filter(pk__in=uses.values("upload")).order_by("pk").select_for_update(no_key=True)
    pks = list(rows.values_list("pk", flat=True))
    uses.delete()
    Upload.objects.filter(pk__in=pks, uses=None).update(idle_since=Now(), sender="")


def stored_address(url: str) -> str:
    """Return what a record stores for the picture at ``url``: the path if it is ours, whatever host it names."""
    name = _name_in(url)
    is_ours = bool(name) and Upload.objects.filter(name=name, removed_at=None).exists()
    return settings.MEDIA_URL + name if is_ours else url


def _name_in(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    name = path.removeprefix(settings.MEDIA_URL)
    return name if name != path and re.fullmatch(NAME_PATTERN, name) else ""


def _lock_owner(owner: str) -> None:
    # Two requests may edit one record at once. The second must wait, so that it sees the picture the first one set.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"uploads:{owner}"])


def orphans_remove(*, now: datetime) -> int:
    """Remove pictures that have been unused for ``ORPHAN_AFTER``, the oldest first; return how many.

    It marks the pictures in a first step and removes them in a second one. An adoption at the same moment either comes
    before the mark and keeps the picture, or finds it marked and fails. Several calls may run at once.
    """
    Upload.objects.filter(idle_since__lt=now - ORPHAN_AFTER, removed_at=None).update(removed_at=now)
    number = 0
    uploads = Upload.objects.filter(removed_at__isnull=False, idle_since__isnull=False).order_by("idle_since")
    for upload in uploads.iterator(500):
        try:
            default_storage.delete(upload.name)  # a missing file is no error
        except Exception as error:  # the bucket is unreachable: keep the row, so that the next clean-up tries again
            log.warning("orphan not removed", name=upload.name, reason=f"{type(error).__name__}: {error}"[:300])
            continue
        number += Upload.objects.filter(pk=upload.pk).delete()[0]  # 0 if another clean-up was faster
    return number
