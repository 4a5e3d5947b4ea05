"""What a list of the back office shows, asked without a request of a browser."""

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, QueryDict


@dataclass
class ListQuery:
    """Who asks, and the query string of the list: all that a page's list and its permissions read of a request.

    :param is_complete: with the rows that a search finds beyond ``most_found``; that may take seconds.
    """

    user: Any
    GET: QueryDict = field(default_factory=QueryDict)
    path: str = ""
    is_complete: bool = False
    method: str = "GET"
    resolver_match: Any = None

    @property
    def path_info(self) -> str:
        return self.path


def is_complete(request: HttpRequest | ListQuery) -> bool | None:
    """Return what a ``ListQuery`` says; None if a person looks at the list itself."""
    return request.is_complete if isinstance(request, ListQuery) else None
