"""Reach the media store: a folder, or a bucket that may not answer.

Requests that wait for a bucket hold threads that orders and payments need. So a bucket is an upstream, as WeChat Pay
is: only a few requests wait for it at the same time, and while it is dead all are refused at once.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from secrets import token_hex
from typing import BinaryIO, cast

import structlog
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from core import times
from core.errors import ServiceUnavailable
from core.upstreams import Upstream, UpstreamRefused

log = structlog.get_logger("uploads")

BUCKET = Upstream("pictures")
_NOT_STORED = "图片暂时无法保存,请稍后再试"


def is_bucket() -> bool:
    return not isinstance(default_storage, FileSystemStorage)


def picture_save(name: str, content: bytes, content_type: str) -> None:
    """Store a picture.

    :raises ServiceUnavailable: a part of it, or all, may be stored.
    """
    file = ContentFile(content)
    file.content_type = content_type  # type: ignore[attr-defined]  # a bucket sends it along
    with _store_asked(name, _NOT_STORED):
        default_storage.save(name, file)


def picture_open(name: str) -> BinaryIO:
    """Open a stored picture. One in a bucket is read completely here, because a failure later could not be answered.

    :raises FileNotFoundError: there is none.
    :raises ServiceUnavailable: the store does not answer.
    """
    with _store_asked(name):
        file = default_storage.open(name)
        if not is_bucket():
            return cast(BinaryIO, file)
        with file:
            return io.BytesIO(file.read())


def store_try() -> None:
    """Write, read and delete a file where the pictures of today go, and in new folders, as a new month or year needs.

    An exception of any kind says what is wrong.
    """
    content, new, month = b"Written by the doctor.", f"doctor-{token_hex(8)}", f"{times.local(times.now()):%Y/%m}"
    for folder in [month] if is_bucket() else [month, f"{month[:4]}/{new}", new]:
        name = default_storage.save(f"{folder}/{new}", ContentFile(content))
        try:
            with default_storage.open(name) as file:
                if file.read() != content:
                    raise OSError("it holds another text than was written")
        finally:
            default_storage.delete(name)
            if folder != month:
                default_storage.delete(folder)


@contextmanager
def _store_asked(name: str, refusal: str | None = None) -> Iterator[None]:
    """Hold a place among the requests that use the bucket, and note whether it answers; a folder has room for all."""
    works = False
    try:
        with BUCKET.slot() if is_bucket() else nullcontext():
            try:
                yield
                works = True
            except FileNotFoundError:
                works = True
                raise
            finally:
                if is_bucket():
                    BUCKET.report(works=works)
    except FileNotFoundError:
        raise
    except UpstreamRefused as refused:
        raise ServiceUnavailable(refusal, headers=refused.headers) from None
    except Exception as error:  # a full disk, an unreachable bucket
        log.error("media store failed", name=name, reason=f"{type(error).__name__}: {error}"[:300])
        raise ServiceUnavailable(refusal) from None
