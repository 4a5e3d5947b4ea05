"""Pages of the back office's long lists."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's has none at run time
    """Counts no further than ``MOST_COUNTED``: nobody turns that many pages, and a full count reads everything."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[:MOST_COUNTED].count()


class KnownCount(Paginator):  # type: ignore[type-arg]
    """Takes the number of rows from whoever knows it, and counts nothing."""

    def __init__(self, rows: QuerySet[Any], per_page: int, count: int) -> None:
        super().__init__(rows, per_page)
        self.count = count  # it is a cached property
