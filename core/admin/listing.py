"""Which rows a list of the back office shows to a user for a query string, without building its page."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from core.admin.base import OfficeAdmin

_PLACE = ("p", "all", "e", "format")  # where in the list the person is, not what the list shows


@dataclass
class ListQuery:
    """Who asks, and the query string of the list: all that a page's list and its permissions read of a request.

    :param is_complete: with the rows that a search finds beyond ``max_found``; that may take seconds.
    """

    user: Any
    GET: QueryDict = field(default_factory=QueryDict)
    path: str = ""
    is_complete: bool = False
    method: str = "GET"
    resolver_match: Any = None


def is_complete(request: HttpRequest | ListQuery) -> bool | None:
    """Return what a ``ListQuery`` says; None if a person looks at the list itself."""
    return request.is_complete if isinstance(request, ListQuery) else None


def query_kept(query: str) -> str:
    """Return a query string without what does not change which rows a list shows."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, value) for name, value in pairs if name not in _PLACE and name[:1] != "_"])


def list_shown(page: OfficeAdmin, user: Any, query: str, *, every: bool = False) -> Any:
    """Return Django's ``ChangeList`` of a page for a query string.

    :param every: with the rows that a search finds beyond ``max_found``; that may take seconds.
    :raises IncorrectLookupParameters, SuspiciousOperation: the list does not understand the query.
    """
    if "%00" in query:  # Django would show the list without the filter, and say so
        raise IncorrectLookupParameters
    request: Any = ListQuery(user, QueryDict(query), list_address(page), is_complete=every)
    return page.get_changelist_instance(request)


def admin_of(label: str) -> Any:
    """Return the admin page of a model, for example of ``shop.order``."""
    return admin.site._registry[apps.get_model(label)]


def list_address(page: OfficeAdmin) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
