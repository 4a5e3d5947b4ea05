"""Reach the media store: a folder, or a bucket that may not answer.

Requests that wait for a bucket hold threads that orders and payments need. So a bucket is an upstream, as WeChat Pay
is: only a few requests wait for it at the same time, and while it is dead all are refused at once.
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
def store_slot() -> Iterator[None]:
    """Hold a place among those who use the bucket, and note whether it answers; a folder has room for all.

    :raises UpstreamRefused: too many wait for the bucket already, or it is dead; nothing was asked of it.
    """
    if not is_bucket():
        yield
        return
    with BUCKET.slot():
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
    """Store a picture. After any exception but ``UpstreamRefused`` a part of it, or all, may be stored."""
    file = ContentFile(content)
    file.content_type = content_type  # type: ignore[attr-defined]  # a bucket sends it along
    with store_slot():
        default_storage.save(name, file)


def picture_open(name: str) -> BinaryIO:
    """Open a stored picture. One in a bucket is read completely here, because a failure later could not be answered.

    :raises FileNotFoundError: there is none.
    :raises UpstreamRefused: see :func:`store_slot`.
    """
    with store_slot():
        file = default_storage.open(name)
        if not is_bucket():
            return cast(BinaryIO, file)
        with file:
            return io.BytesIO(file.read())
