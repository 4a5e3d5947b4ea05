"""Which rows a page holds, and how many there are in all."""

from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def page_slice(page: int, count: int | None = None) -> slice:
    """Turn ``page`` (from 1) and ``count`` into a slice; never more than ``API_MAX_ROWS`` rows.

    Without ``count`` there are no pages: ``page`` is ignored.
    """
    if count is None:
        return slice(0, settings.API_MAX_ROWS)
    size = min(count, settings.API_MAX_ROWS)
    return slice((page - 1) * size, page * size)


def page_of(rows: QuerySet[Row], given: dict[str, Any]) -> tuple[int, list[Row]]:
    """Answer the true number of all ``rows`` and the page that validated ``PageParams`` ask for.

    Two queries, one where the page is the last.
    """
    page = page_slice(given["page"], given.get("count"))
    found = list(rows[page])
    if found and len(found) < page.stop - page.start:
        return page.start + len(found), found  # the last page: nothing left to count
    return rows.count(), found
