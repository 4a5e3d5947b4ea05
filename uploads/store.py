"""Reach the media store: a folder, or a bucket that may not answer.

Requests that wait for a bucket hold the threads that orders and payments need. So a bucket is an upstream as WeChat Pay
is one: few wait for it at once, and while it is dead the others are refused at once.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from core.upstreams import Upstream

BUCKET = Upstream("pictures")


def is_bucket() -> bool:
    return not isinstance(default_storage, FileSystemStorage)


@contextmanager
def store_room() -> Iterator[None]:
    """Hold a place among those who use the bucket, and note whether it answers; a folder has room for all.

    :raises UpstreamRefused: too many wait for the bucket already, or it is dead; nothing was asked of it.
    """
    if not is_bucket():
        yield
        return
    with BUCKET.room():
        try:
            yield
        except FileNotFoundError:
            BUCKET.report(works=True)
            raise
        except Exception:
            BUCKET.report(works=False)
            raise
        BUCKET.report(works=True)


def picture_save(name: str, content: bytes, content_type: str) -> None:
    """Store a picture; whatever is raised, a part or all of it may be there unless it is ``UpstreamRefused``."""
    file = ContentFile(content)
    file.content_type = content_type  # type: ignore[attr-defined]  # a bucket sends it along
    with store_room():
        default_storage.save(name, file)


def picture_open(name: str) -> BinaryIO:
    """Open a stored picture. One in a bucket has been read when this returns: later its failure would be no answer.

    :raises FileNotFoundError: there is none.
    :raises UpstreamRefused: see :func:`store_room`.
    """
    with store_room():
        file = default_storage.open(name)
        if not is_bucket():
            return cast(BinaryIO, file)
        with file:
            return io.BytesIO(file.read())
