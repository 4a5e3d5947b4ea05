"""Which rows a page holds."""

from django.conf import settings


def page_slice(page: int, count: int | None = None) -> slice:
    """Turn ``page`` (from 1) and ``count`` into a slice; never more than ``API_MAX_ROWS`` rows."""
    size = min(count or settings.API_MAX_ROWS, settings.API_MAX_ROWS)
    return slice((page - 1) * size, page * size)
