"""The base of every API view, and the routes declared at it, which match in any letter case and with a slash."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.conf import settings
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from core.api.access import Access
from core.api.docs import Doc
from core.api.envelope import Envelope, ok
from core.api.hints import hint_for

ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")


class ApiViewSet(ViewSet):
    """A viewset whose actions are declared with :func:`endpoint`."""

    access: Access | None = None  # None is refused to everybody; `endpoint` sets it
    paths: tuple[str, ...] = ()  # the documented path and its aliases
    is_reading: bool = False
    docs: Doc | None = None
    tag: str = "其他"

    @property
    def allowed_methods(self) -> list[str]:
        # REST framework looks for attributes named like methods, and an action may be called ``get``.
        return [*(method.upper() for method in self.action_map or ()), "OPTIONS"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Refuse a wrong method before the login is checked: else a caller without a token would read 请登入.
        if self.action is None:
            self.http_method_not_allowed(request)
        if self.action == "metadata":  # REST framework's word for OPTIONS
            return  # it says no more than that refusal, and needs no login either
        super().initial(request, *args, **kwargs)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        # REST framework would describe the view, in English. The header Allow is the answer.
        return ok()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")  # several GETs change data: never repeat from a cache
        if settings.HINTS and isinstance(response, Envelope) and (hint := hint_for(request, response.data)):
            response.content = orjson.dumps(response.data | {"hint": hint})
        return response


@dataclass(frozen=True)
class Endpoint:
    """One documented call, as the role gate, the doctor, the back office and the documentation see it."""

    path: str
    methods: tuple[str, ...]
    title: str
    access: Access | None
    aliases: tuple[str, ...]
    docs: Doc | None = None
    by_rows: str = ""
    takes_files: bool = False
    is_quick: bool = False
    is_reading: bool = False
    tag: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.aliases)

    @property
    def row_title(self) -> str:
        """Return what a role gains by this path among its rows; "" if the call does not depend on rows."""
        return self.title if self.access is Access.ROWS else self.by_rows


def endpoint(
    methods: str,
    path: str,
    title: str,
    access: Access | None = None,
    *,
    aliases: tuple[str, ...] = (),
    docs: Doc | None = None,
    by_rows: str = "",
    takes_files: bool = False,
    is_quick: bool = False,
    is_reading: bool = False,
    **options: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a viewset method to be the call ``path``.

    :param methods: ``"GET"``, ``"POST"``, ``"GET POST"`` or ``"ANY"``.
    :param path: the documented path; an alias shares its view and its rights.
    :param access: who may call it; without one, nobody.
    :param docs: what Swagger UI shows; tests check real answers against it.
    :param by_rows: for a call that needs no row: what a role may do in addition if it has the path among its rows.
    :param takes_files: the body may be as large as ``core.api.bodies.FILE_LIMIT``.
    :param is_quick: it only reads, from PostgreSQL and Valkey, and waits neither for a lock nor for an upstream. Then
        ``config.asgi`` answers it in one of few threads, which do not get in each other's way.
    :param is_reading: it changes nothing that staff or other callers see, so it goes on during read-only hours. Every
        quick call is one.
    """
    verbs = ANY if methods == "ANY" else tuple(methods.split())

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        view = action(
            detail=False,
            methods=[v.lower() for v in verbs],  # type: ignore[misc]
            url_path=path,
            name=title,
            access=access,
            docs=docs,
            **options,
        )(view)
        view.endpoint = Endpoint(  # type: ignore[attr-defined]
            path, verbs, title, access, aliases, docs, by_rows, takes_files, is_quick, is_reading or is_quick
        )
        return view

    return decorate


def _calls(viewset: type[ApiViewSet]) -> Iterator[URLPattern]:
    method: Any  # a function with the attributes that `action` and `endpoint` have set on it
    # REST framework sorts actions by name; the documentation shows them in the order of the source.
    for method in sorted(viewset.get_extra_actions(), key=lambda one: inspect.unwrap(one).__code__.co_firstlineno):
        declared: Endpoint = replace(method.endpoint, tag=viewset.tag)
        shared = {"paths": declared.paths, "is_reading": declared.is_reading}
        view = viewset.as_view(dict(method.mapping), **method.kwargs, **shared, detail=False)
        view.csrf_exempt = True
        view.endpoint = declared  # type: ignore[attr-defined]
        for path in declared.paths:
            yield URLPattern(RoutePattern(path.lstrip("/"), is_endpoint=True), view)


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
        # Nobody changes a match, so paths without a parameter share theirs.
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
    waiting: list[tuple[str, URLPattern | URLResolver]] = [("/", entry) for entry in get_resolver().url_patterns]
    while waiting:
        prefix, entry = waiting.pop(0)
        route = prefix + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLResolver):
            waiting[:0] = [(route, inner) for inner in entry.url_patterns]
        else:
            yield route, entry.callback
