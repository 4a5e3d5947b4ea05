"""The routes of all calls, which match in any letter case and with or without a slash at the end."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from rest_framework.serializers import FileField

from core.api.endpoint import ApiViewSet, Endpoint
from core.api.params import Picture


def _calls(viewset: type[ApiViewSet]) -> Iterator[URLPattern]:
    method: Any  # a function with the attributes that `action` and `Endpoint` have set on it
    # REST framework sorts actions by name; the documentation shows them in the order of the source.
    for method in sorted(viewset.get_extra_actions(), key=lambda one: inspect.unwrap(one).__code__.co_firstlineno):
        endpoint: Endpoint = replace(method.endpoint, tag=viewset.tag, takes_files=_takes_files(method.endpoint))
        view = viewset.as_view(dict(method.mapping), **method.kwargs, endpoint=endpoint, detail=False)
        view.csrf_exempt = True
        view.endpoint = endpoint  # type: ignore[attr-defined]
        for path in endpoint.paths:
            yield URLPattern(RoutePattern(path.lstrip("/"), is_endpoint=True), view)


def _takes_files(endpoint: Endpoint) -> bool:
    fields = endpoint.docs.params().fields if endpoint.docs and endpoint.docs.params else {}
    return any(isinstance(field, (FileField, Picture)) for field in fields.values())


class CallTable(URLResolver):
    """Find a call of some viewsets by its path in one table, in any letter case, with or without a slash at the end.

    Problem: Django tries one pattern after the other, which for our 80 paths costs as much as a database query.
    A parameter may only be the last part of a path; its value keeps its letter case.
    """

    def __init__(self, *viewsets: type[ApiViewSet]) -> None:
        calls = [call for viewset in viewsets for call in _calls(viewset)]
        super().__init__(RoutePattern(""), calls)
        # The key is the path in lower case, with `<>` in place of a parameter.
        self.table = {re.sub("<.*>", "<>", str(entry.pattern).lower()): entry for entry in calls}
        # Django changes no match, so paths without a parameter share theirs.
        self.matches = {path: _match(entry, {}) for path, entry in self.table.items() if not path.endswith("<>")}

    def resolve(self, path: str) -> ResolverMatch:
        if match := self.find(path):
            return match
        raise Resolver404({"tried": [], "path": path})

    def find(self, path: str) -> ResolverMatch | None:
        """Return the call at ``path``, which begins without a slash."""
        bare = path.removesuffix("/")
        if match := self.matches.get(bare.lower()):
            return match
        head, _, value = bare.rpartition("/")
        if value and (entry := self.table.get(f"{head.lower()}/<>")):
            [name] = entry.pattern.converters
            return _match(entry, {name: value})
        return None


def _match(entry: URLPattern, parameters: dict[str, str]) -> ResolverMatch:
    route = str(entry.pattern)
    return ResolverMatch(entry.callback, (), parameters, route=route, captured_kwargs=parameters, extra_kwargs={})


def call_find(path: str) -> ResolverMatch | None:
    """Return the call at ``path``; None if there is none, so that it is the address of a page, or of nothing."""
    for entry in get_resolver().url_patterns:
        if isinstance(entry, CallTable):
            return entry.find(path[1:]) if path.startswith("/") else None
    return None


def endpoints() -> list[Endpoint]:
    """Return every call of the API, in the order of the URL configuration."""
    return list(dict.fromkeys(view.endpoint for _, view in _routes() if hasattr(view, "endpoint")))


def pages() -> list[str]:
    """Return the routes of everything that is no call: pages, files, the back office. The role gate skips them."""
    return [route for route, view in _routes() if not hasattr(view, "endpoint")]


def _routes() -> Iterator[tuple[str, Any]]:
    queue: list[tuple[str, URLPattern | URLResolver]] = [("/", entry) for entry in get_resolver().url_patterns]
    while queue:
        prefix, entry = queue.pop(0)
        route = prefix + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLResolver):
            queue[:0] = [(route, inner) for inner in entry.url_patterns]
        else:
            yield route, entry.callback
