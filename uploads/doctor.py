"""What ``manage.py doctor`` reports about pictures: free space, and the budget of unused ones."""

import os
from collections.abc import Iterator
from socket import gethostname

from django.conf import settings

from core.findings import Finding
from uploads.budget import MB, free_bytes, unused_bytes
from uploads.store import is_bucket, store_try


def store_of_pictures() -> Iterator[Finding]:
    """Try the store as the user that runs this: a folder of root's refuses every upload and says so nowhere else."""
    where = "存储桶" if is_bucket() else settings.MEDIA_ROOT
    try:
        store_try()
    except Exception as error:  # a bucket's client has exceptions of its own
        what = f"图片存不进、读不出{where}：{type(error).__name__}: {error}"
        do = f"文件夹要属于服务的用户：`chown -R {os.geteuid()}:{os.getegid()} {where}`；存储桶：检查 MEDIA_S3_*。"
        yield Finding(f"store of pictures {gethostname()}", False, what, do)
    else:
        yield Finding("store of pictures", True, f"图片能存进{where}，也能读、能删")


def room_for_pictures() -> Iterator[Finding]:
    free = free_bytes()
    if free is None:
        yield Finding("room for pictures", None, "图片在存储桶里：不看它的空间")
    else:
        fits = free >= settings.MEDIA_FREE_MB * MB
        do = "" if fits else "少于 MEDIA_FREE_MB 时不再接收图片：腾出空间，或者换大的磁盘。"
        what = f"图片所在的磁盘还剩 {free // MB:,} MB，要留 {settings.MEDIA_FREE_MB:,} MB"
        yield Finding(f"room for pictures {gethostname()}", fits, what, do)
    unused_mb = unused_bytes()[0] / MB
    fits = unused_mb <= settings.MEDIA_UNUSED_MB * 3 / 4
    do = "" if fits else "是谁在发？看后台“图片”的“闲置”；或者调大 MEDIA_UNUSED_MB。"
    what = f"没有被引用的图片占 {unused_mb:,.0f} MB，最多 {settings.MEDIA_UNUSED_MB:,} MB"
    yield Finding("unused pictures", fits, what, do)
