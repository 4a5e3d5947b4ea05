"""Cut one page out of a list, and count the whole list."""

from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def page_slice(page: int, count: int | None = None) -> slice:
    """Turn ``page`` (from 1) and ``count`` into a slice; never more than ``API_MAX_ROWS`` rows.

    Without ``count`` the list is not divided into pages, so ``page`` is ignored.
    """
    if count is None:
        return slice(0, settings.API_MAX_ROWS)
    size = min(count, settings.API_MAX_ROWS)
    return slice((page - 1) * size, page * size)


def page_of(rows: QuerySet[Row], params: dict[str, Any]) -> tuple[int, list[Row]]:
    """Return the true number of all ``rows``, and the page that ``params`` (validated ``PageParams``) ask for.

    Takes two queries, or one if the page is the last one and so shows where the list ends.
    """
    page = page_slice(params["page"], params.get("count"))
    found = list(rows[page])
    if found and len(found) < page.stop - page.start:
        return page.start + len(found), found  # a page that is not full is the last one: no need to count
    return rows.count(), found
