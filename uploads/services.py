"""Taking pictures in, saying who refers to them, and removing those that nobody refers to."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from core.errors import ServiceUnavailable
from core.times import local
from uploads.budget import free_space_check, insert_within_budget, sender_of
from uploads.decoder import WAIT_S, image_decode
from uploads.errors import ImageEmpty, ImageTooLarge
from uploads.images import MAX_BYTES, CleanImage
from uploads.models import ImageUse, Upload

log = structlog.get_logger("uploads")

ORPHAN_AFTER = timedelta(hours=24)
NAME_PATTERN = r"[0-9]{4}/[0-9]{2}/[0-9a-f]{32}\.(?:jpg|png|gif|webp)"


@dataclass(frozen=True)
class StoredImage:
    """A picture in the media store; ``url_path`` is like ``/media/2026/11/ab….png``."""

    pk: int
    url_path: str
    content_type: str
    width: int
    height: int


def image_store(
    *, file: UploadedFile, user_pk: int | None, network: str = "", wait_s: float = WAIT_S, now: datetime
) -> StoredImage:
    """Check, re-encode and store a picture. Until it is adopted it lives ``ORPHAN_AFTER``.

    Call it outside a transaction: a rollback would forget the row and leave the file.

    :param network: where an unknown sender sits, as limits count it.
    :param wait_s: how long to wait for a free decoder.
    :raises ImageRefused, DecodersBusy, StoreFull, TooManyUnused: nothing was stored.
    """
    if not file.size:
        raise ImageEmpty
    if file.size > MAX_BYTES:
        raise ImageTooLarge
    free_space_check()
    clean = image_decode(cast(BinaryIO, file), wait_s=wait_s)
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
    _write(upload, clean)
    return StoredImage(upload.pk, upload.url_path, clean.content_type, clean.width, clean.height)


def _write(upload: Upload, clean: CleanImage) -> None:
    # The row comes first: a process that dies here leaves a row, which the sweep removes, and no lost file.
    try:
        default_storage.save(upload.name, ContentFile(clean.content))
    except Exception as error:  # a full disk, an unreachable bucket
        log.error("media store failed", reason=type(error).__name__)
        upload.delete()
        raise ServiceUnavailable("图片暂时无法保存,请稍后再试") from None


def image_adopt(*, url: str, owner: str) -> bool:
    """Make the record ``owner`` (such as ``students.Student:12``) refer to the picture at ``url``, and to no other.

    Call it in the transaction that writes the record. Anything but a picture of ours (a foreign URL, an empty
    text) only ends the earlier reference.

    :returns: whether ``url`` is a picture of ours that now stays.
    """
    return _refer(url, owner, {})


def image_release(*, owner: str) -> None:
    """End what ``owner``, which is deleted, refers to; the picture goes ``ORPHAN_AFTER`` later unless another uses it.

    It is in nobody's budget: deleting a thousand students with photographs must not keep anybody from uploading.
    """
    _refer("", owner, {"sender": ""})


@transaction.atomic
def _refer(url: str, owner: str, let_go: dict[str, str]) -> bool:
    name = _name_in(url)
    _lock_owner(owner)
    use = ImageUse.objects.filter(owner=owner).first()
    concerned = Upload.objects.filter(Q(name=name) | Q(pk=use and use.upload_id), removed_at=None)
    # In pk order: two records that swap their pictures must not wait for each other.
    locked = {upload.name: upload for upload in concerned.order_by("pk").select_for_update(no_key=True)}
    upload = locked.get(name)
    if use and (upload is None or use.upload_id != upload.pk):
        use.delete()
        Upload.objects.filter(pk=use.upload_id, uses=None).update(idle_since=Now(), **let_go)
        use = None
    if upload and use is None:
        ImageUse.objects.create(owner=owner, upload=upload)
        Upload.objects.filter(pk=upload.pk).update(idle_since=None)
    return upload is not None


def images_hand_over(pairs: Sequence[tuple[str, str]]) -> None:
    """Let each second owner refer to the picture of the first, which refers to none then.

    Call it in the transaction that changes the records, with their rows locked; the second owners are new.
    """
    before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE uploads_imageuse AS u SET owner = v.after FROM unnest(%s::text[], %s::text[]) AS v (before, after)"
            " WHERE u.owner = v.before",
            [before, after],
        )


def images_release(*, owners: Sequence[str]) -> None:
    """End what these owners refer to, as :func:`image_release` does for one; none of them may be in use elsewhere."""
    with transaction.atomic():
        uses = ImageUse.objects.filter(owner__in=owners)
        # Locked in pk order before the uses go: who adopts one at this moment comes first, or sees it idle.
        locked = Upload.objects.filter(pk__in=uses.values("upload")).order_by("pk").select_for_update(no_key=True)
        pks = list(locked.values_list("pk", flat=True))
        uses.delete()
        Upload.objects.filter(pk__in=pks, uses=None).update(idle_since=Now())


def _name_in(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    name = path.removeprefix(settings.MEDIA_URL)
    return name if name != path and re.fullmatch(NAME_PATTERN, name) else ""


def _lock_owner(owner: str) -> None:
    # Two edits of one record at once: the second must see which picture the first one left.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"uploads:{owner}"])


def orphans_remove(*, now: datetime) -> int:
    """Remove pictures that no record has referred to for ``ORPHAN_AFTER``, the oldest first; answer how many.

    May run twice, also at once. An adoption at the same moment either comes first and keeps the picture, or
    finds it gone.
    """
    Upload.objects.filter(idle_since__lt=now - ORPHAN_AFTER, removed_at=None).update(removed_at=now)
    removed = 0
    chosen = Upload.objects.filter(removed_at__isnull=False, idle_since__isnull=False).order_by("idle_since")
    for upload in chosen.iterator(500):
        try:
            default_storage.delete(upload.name)  # a missing file is no error
        except Exception as error:  # the bucket is unreachable: the row stays, the next sweep tries again
            log.warning("orphan not removed", name=upload.name, reason=type(error).__name__)
            continue
        removed += Upload.objects.filter(pk=upload.pk).delete()[0]  # another sweep may have been faster
    return removed
