"""A page of a list and the true number of all its rows, in at most two queries."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from core.api.pagination import page_slice

Row = TypeVar("Row", bound=Model)


def page_of(rows: QuerySet[Row], given: dict[str, Any]) -> tuple[int, list[Row]]:
    """Cut the page out of ``rows`` that validated ``PageParams`` ask for; answer the total with it."""
    page = page_slice(given["page"], given.get("count"))
    found = list(rows[page])
    if found and len(found) < page.stop - page.start:
        return page.start + len(found), found  # the last page: nothing left to count
    return rows.count(), found
