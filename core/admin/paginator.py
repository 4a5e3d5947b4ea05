"""Pages of the back office's long lists."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's has none at run time
    """Stop counting at ``MOST_COUNTED``: a full count reads the whole table, and nobody turns that many pages."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        number = rows.order_by()[: MOST_COUNTED + 1].count()
        return number if number <= MOST_COUNTED else AtLeast(MOST_COUNTED)


class AtLeast(int):
    """A number that pages show with a plus, because nobody has counted further."""

    def __str__(self) -> str:
        return f"{int(self)}+"


class KnownCount(Paginator):  # type: ignore[type-arg]
    """Take the number of rows from the caller instead of counting them."""

    def __init__(self, rows: QuerySet[Any], per_page: int, count: int) -> None:
        super().__init__(rows, per_page)
        self.count = count  # replaces Django's cached property, which would count
