"""Bring the old server's pictures: store each like an upload, and change the addresses in all records.

Which records are left is asked from the tables themselves, so the step may be stopped, repeated, or done later.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.db.models import Model

from accounts.models import User
from moving.models import OldPicture
from moving.values import known, old_picture
from shop.models import Category, OrderLine, Product
from students.models import ArchivedStudent, Student
from uploads.errors import ImageRefused
from uploads.formats import MAX_BYTES
from uploads.models import Upload
from uploads.services import image_adopt, image_store

BATCH = 200
DECODER_WAIT_S = 600  # no request waits meanwhile
AT_ONCE = 2  # as many as decode at once (``uploads.decoder``)
# As in ``values.old_picture``, which looks again.
_PATTERN = r"^((https?:)?//[^/]+)?/(avatar|imgs|productPic)/."


class Place(NamedTuple):
    """A column that holds addresses of pictures, and the pictures' owner in the form that ``uploads`` uses."""

    model: type[Model]
    field: str
    owner: Callable[[Any, str], str]


PLACES = (
    Place(Student, "headimgurl", lambda student, name: student.owner_ref),
    Place(ArchivedStudent, "headimgurl", lambda student, name: student.owner_ref),
    Place(User, "headimgurl", lambda user, name: f"accounts.User:{user.pk}"),
    Place(Category, "image_url", lambda category, name: f"shop.Category:{category.pk}"),
    # Orders show the picture of their day, so each picture of a product has an owner of its own.
    Place(Product, "image_url", lambda product, name: f"shop.Product:{product.pk}:{name}"),
    Place(OrderLine, "image_url", lambda line, name: f"shop.Product:{line.product_id}:{name}"),
)


@dataclass
class Figures:
    """What one run has done with pictures, each counted once, and with the addresses of the records that show them."""

    stored: int = 0
    rewritten: int = 0  # addresses
    refused: dict[str, str] = field(default_factory=dict)  # the reason of each, by its old path
    missing: set[str] = field(default_factory=set)  # old paths without a file


def picture_exists(folder: Path, path: str) -> bool:
    return _file(folder, path) is not None


def addresses_left() -> int:
    """Return how many records still refer to a picture of the old server."""
    return sum(_old_rows(place).count() for place in PLACES)


def pictures_bring(folder: Path, now: datetime, tell: Callable[[str, int], None], figures: Figures) -> None:
    """Store the pictures of ``folder``, change the addresses in every record, and count in ``figures``.

    :raises DecodersBusy, StoreFull, ServiceUnavailable: what is done stays; run it again.
    """
    number = 0
    for place in PLACES:
        for rows in _batches(place):
            url_paths = _new_addresses({old_picture(getattr(row, place.field)) for row in rows}, folder, now, figures)
            with transaction.atomic():
                for row in rows:
                    _rewrite(place, row, url_paths, figures)
            number += len(rows)
            tell("图片", number)


def _batches(place: Place) -> Iterator[list[Any]]:
    last = 0
    while rows := list(_old_rows(place).filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield rows
        last = rows[-1].pk


def _old_rows(place: Place) -> Any:
    return place.model._default_manager.filter(**{f"{place.field}__iregex": _PATTERN})


def _rewrite(place: Place, row: Any, url_paths: dict[str, str], figures: Figures) -> None:
    address = getattr(row, place.field)
    url_path = url_paths.get(old_picture(address))
    if not url_path:
        return  # a later run may bring a folder that has it
    # Only if staff have chosen no other picture meanwhile.
    if place.model._default_manager.filter(pk=row.pk, **{place.field: address}).update(**{place.field: url_path}):
        image_adopt(url=url_path, owner=place.owner(row, url_path.rpartition("/")[2]))
        figures.rewritten += 1


def _new_addresses(paths: set[str], folder: Path, now: datetime, figures: Figures) -> dict[str, str]:
    """Return the new addresses of these pictures, and store those that are not stored yet."""
    here = dict(OldPicture.objects.filter(path__in=paths).exclude(url_path="").values_list("path", "url_path"))
    names = [url_path.removeprefix(settings.MEDIA_URL) for url_path in here.values()]
    # The sweep may have removed a picture whose records are gone.
    alive = known(Upload.objects.filter(name__in=names, removed_at=None), "name")
    addresses = {path: url for path, url in here.items() if url.removeprefix(settings.MEDIA_URL) in alive}
    untried = sorted(paths - addresses.keys() - figures.refused.keys())  # many records may show a picture: try it once
    files = {path: file for path in untried if (file := _file(folder, path))}
    figures.missing |= {*untried} - files.keys()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for picture in pool.map(lambda path: _take(path, files[path], now), files):
            outcome = {"url_path": picture.url_path, "refusal": picture.refusal}
            OldPicture.objects.update_or_create(path=picture.path, defaults=outcome)
            if picture.url_path:
                addresses[picture.path] = picture.url_path
                figures.stored += 1
            else:
                figures.refused[picture.path] = picture.refusal
    return addresses


def _take(path: str, file: Path, now: datetime) -> OldPicture:
    try:
        if file.stat().st_size > MAX_BYTES:
            return OldPicture(path=path, refusal=f"超过 {MAX_BYTES // 1024**2} MB")
        upload = SimpleUploadedFile("picture", file.read_bytes())
        picture = image_store(file=upload, user_pk=None, wait_s=DECODER_WAIT_S, now=now)
        return OldPicture(path=path, url_path=picture.url_path)
    except ImageRefused as refusal:
        return OldPicture(path=path, refusal=refusal.msg[:200])
    except OSError as error:
        return OldPicture(path=path, refusal=f"无法读取：{error.strerror}"[:200])
    finally:
        connection.close()  # this thread's


def _file(folder: Path, path: str) -> Path | None:
    """Return the file of an old path, or None if it is missing or outside ``folder``."""
    if "\0" in path:
        return None
    try:
        file = (folder / path.lstrip("/")).resolve()
        return file if file.is_relative_to(folder.resolve()) and file.is_file() else None
    except (OSError, ValueError):
        return None
