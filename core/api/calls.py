"""Answer API calls without the middleware that only pages need.

Problem: sessions, CSRF, messages, static files and the back office's error pages mean nothing to a call, but Django
sends every request through every middleware, which took a quarter of a call's time. A second Django handler with a
shorter ``MIDDLEWARE`` would have to repeat the request's begin and end, and Django's test client would not run it.
This module can go when Django chooses middleware by path.
"""

from collections.abc import Callable
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.module_loading import import_string

from core.api.request import answering
from core.api.routing import call_find

Handler = Callable[[HttpRequest], HttpResponse]


class CallMiddleware:
    """Answer a request for a call; the middleware behind this one is for pages.

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
