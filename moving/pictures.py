"""Bring the old server's pictures: store each like an upload, and change the addresses in all records.

Which records are left is asked from the tables themselves, so the step may be stopped, repeated, or done later.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Model, QuerySet

from accounts.models import User
from moving.dump import Dump
from moving.report import Report
from shop.models import Category, OrderLine, Product
from students.models import ArchivedStudent, Student
from uploads.errors import ImageRefused
from uploads.services import image_adopt, image_store

DECODER_WAIT_S = 600  # no request waits meanwhile
# The old hosts are retired, so that an absolute address means the same file as a path. PostgreSQL reads it as well.
OLD_ADDRESS = r"^((https?:)?//[^/]+)?/(avatar|imgs|productPic)/."


class Place(NamedTuple):
    """A column that holds addresses of pictures, and the pictures' owner in the form that ``uploads`` uses."""

    model: type[Model]
    field: str
    owner: Callable[[Any, str], str]

    def rows(self) -> QuerySet[Any]:
        """Return the records that still refer to a picture of the old server."""
        return self.model._default_manager.filter(**{f"{self.field}__iregex": OLD_ADDRESS})


PLACES = (
    Place(Student, "headimgurl", lambda student, name: student.owner_ref),
    Place(ArchivedStudent, "headimgurl", lambda student, name: student.owner_ref),
    Place(User, "headimgurl", lambda user, name: f"accounts.User:{user.pk}"),
    Place(Category, "image_url", lambda category, name: f"shop.Category:{category.pk}"),
    # Orders show the picture of their day, so each picture of a product has an owner of its own.
    Place(Product, "image_url", lambda product, name: f"shop.Product:{product.pk}:{name}"),
    Place(OrderLine, "image_url", lambda line, name: f"shop.Product:{line.product_id}:{name}"),
)


def old_path(address: str) -> str:
    """Return the path of a picture on the old server; "" if the address is no picture of that server."""
    match = re.match(OLD_ADDRESS, address, re.IGNORECASE | re.DOTALL)
    return unquote(urlsplit(address[match.start(3) - 1 :]).path) if match else ""


def addresses_left() -> int:
    return sum(place.rows().count() for place in PLACES)


class Pictures:
    """The pictures in a folder. Many records may show one of them; it is tried once."""

    def __init__(self, folder: Path, dump: Dump, report: Report) -> None:
        self.folder, self.dump, self.report = folder.resolve(), dump, report
        self.addresses: dict[str, str] = {}  # ours, by the old path; "" if there is none
        report.pictures.update(收下=0, 拒绝=0, 缺少=0, 改写地址=0)

    def bring(self, tell: Callable[[str, int], None]) -> None:
        """Store them and change the addresses in every record; a check only looks whether their files are there.

        :raises DecodersBusy, StoreFull, ServiceUnavailable: what is done stays; run it again.
        """
        for place in PLACES:
            for number, row in enumerate(list(place.rows()), 1):
                self._rewrite(place, row)
                tell("图片", number)

    def _rewrite(self, place: Place, row: Any) -> None:
        address = getattr(row, place.field)
        path = old_path(address)
        if path not in self.addresses:
            self.addresses[path] = self._address(path)
        if not (new := self.addresses[path]):
            return  # a later run may bring a folder that has it
        with transaction.atomic():
            # Only if staff have chosen no other picture meanwhile.
            if place.rows().filter(pk=row.pk, **{place.field: address}).update(**{place.field: new}):
                image_adopt(url=new, owner=place.owner(row, new.rpartition("/")[2]))
                self.report.pictures["改写地址"] += 1

    def _address(self, path: str) -> str:
        """Store a picture and return its address; "" if that cannot be."""
        try:
            file = (self.folder / path.lstrip("/")).resolve()
            if not file.is_relative_to(self.folder) or not file.is_file():
                self.report.picture("缺少", path, "图片不在图片目录中")
                return ""
            if self.dump.is_check:
                return ""
            with file.open("rb") as raw:
                upload = UploadedFile(raw, name=file.name, size=file.stat().st_size)
                url = image_store(file=upload, user_pk=None, wait_s=DECODER_WAIT_S, now=self.dump.now).url_path
        except (ImageRefused, OSError, ValueError) as error:  # ValueError: a path with a NUL
            self.report.picture("拒绝", path, error.msg if isinstance(error, ImageRefused) else str(error))
            return ""
        self.report.pictures["收下"] += 1
        return url
