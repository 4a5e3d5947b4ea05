"""What ``manage.py doctor`` reports about pictures: free space, and the budget of unused ones."""

from collections.abc import Iterator

from django.conf import settings

from core.findings import Finding
from uploads.budget import MB, free_bytes, unused_bytes


def room_for_pictures() -> Iterator[Finding]:
    free = free_bytes()
    if free is None:
        yield Finding(None, "Pictures are kept in a bucket: its room is not looked at")
    else:
        fits = free >= settings.MEDIA_FREE_MB * MB
        remedy = "" if fits else "No picture is taken in below MEDIA_FREE_MB: make room, or enlarge the disk."
        yield Finding(fits, f"{free // MB:,} MB are free for pictures, {settings.MEDIA_FREE_MB:,} MB stay free", remedy)
    unused_mb = unused_bytes()[0] / MB
    fits = unused_mb <= settings.MEDIA_UNUSED_MB * 3 / 4
    remedy = "" if fits else "Who sends them? See 图片, 闲置, in the back office; or raise MEDIA_UNUSED_MB."
    yield Finding(fits, f"Unused pictures take {unused_mb:,.0f} of {settings.MEDIA_UNUSED_MB:,} MB", remedy)
