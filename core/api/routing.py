"""The routes of all calls, which match in any letter case and with or without a slash at the end.

Here is also which middleware a call passes, and what an unknown address is answered.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern
from django.utils.module_loading import import_string
from rest_framework.serializers import FileField

from core.api.endpoint import ApiViewSet, Endpoint
from core.api.envelope import engine_is_down, error_response
from core.api.params import Picture
from core.api.request import answering
from core.errors import BodyTooLarge, DomainError, InternalError, ServiceUnavailable, UnknownAddress
from core.observe import tracing

Handler = Callable[[HttpRequest], HttpResponse]


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

    Problem: Django tries one pattern after the other, which takes 20 µs on average for our 84 paths. A call
    is looked up for its middleware, for the limit of its body, and on the one port for both and its threads before.
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


class CallMiddleware:
    """Answer a request for a call; the middleware behind this one is for pages.

    Problem: sessions, CSRF, messages, static files and the back office's error pages mean nothing to a call, but Django
    sends every request through every middleware, which took a quarter of a call's time. A second Django handler with a
    shorter ``MIDDLEWARE`` would have to repeat the request's begin and end, and Django's test client would not run it.
    This class can go when Django chooses middleware by path.

    A call gets the headers that Django's and corsheaders' middleware write, the check of the host's name, and what
    ``CALL_MIDDLEWARE`` lists.
    """

    def __init__(self, get_response: Handler) -> None:
        self.pages = get_response
        # Typed as Any, because their types say that each hook may also return an awaitable.
        self.security: Any = SecurityMiddleware(get_response)
        self.cors: Any = AnyHeaderCors(get_response)
        self.common: Any = CommonMiddleware(get_response)
        self.frame: Any = XFrameOptionsMiddleware(get_response)
        handler: Handler = self._checked
        for path in reversed(settings.CALL_MIDDLEWARE):
            handler = import_string(path)(handler)
        self.answer: Any = convert_exception_to_response(handler)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match = call_find(request.path_info)
        with answering(request):
            if match is None:
                return self.pages(request)
            request.call_match = match  # type: ignore[attr-defined]
            early = self.security.process_request(request) or self.cors.check_preflight(request)
            response: HttpResponse = early or self.answer(request)
            self.cors.add_response_headers(request, response)
            self.security.process_response(request, response)
            return response

    def _checked(self, request: HttpRequest) -> Any:
        refusal = self.common.process_request(request)
        if refusal:
            return refusal
        match = request.resolver_match = request.call_match  # type: ignore[attr-defined]
        response = self.frame.process_response(request, match.func(request, **match.kwargs))
        return self.common.process_response(request, response)


class AnyHeaderCors(CorsMiddleware):
    """Allow whatever headers a preflight of an allowed origin asks for, as nginx and the socket do.

    Clients send some of their own to every server they know (``token``, ``cache-control``). A list of names would guard
    nothing: the origin decides, and no cookie authenticates a call.
    """

    def add_response_headers(self, request: HttpRequest, response: Any) -> Any:
        super().add_response_headers(request, response)
        header_names = request.headers.get("access-control-request-headers")
        if header_names and "access-control-allow-headers" in response:
            response["access-control-allow-headers"] = header_names
        return response


# --- What Django calls for a request that no view answers: ``core.admin.middleware`` makes pages of it for people ---
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    hint = settings.HINTS and _path_hint(request.path_info)
    return error_response(UnknownAddress(hint=hint) if hint else UnknownAddress())


def _path_hint(path: str) -> str:
    """Return what a beginner has probably done wrong in the path of a call, "" if nothing is known."""
    if "//" in path and call_find(re.sub("/+", "/", path)):
        return "地址里连着两个斜杠:baseURL 末尾的 / 和路径开头的 / 只留一个"
    head, _, rest = path.lstrip("/").partition("/")
    # Development servers forward /api/… to us.
    return f"地址多了前缀 /{head}:在开发服务器的代理里用 rewrite 去掉它" if call_find(f"/{rest}") else ""


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)):
        return error_response(BodyTooLarge())
    return error_response(DomainError("请求格式错误", status=400, http_status=400))


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    # Django calls this inside its `except` block, so the exception is still the current one.
    if engine_is_down(sys.exception()):
        return error_response(ServiceUnavailable())
    return error_response(InternalError(tracing.current()))
