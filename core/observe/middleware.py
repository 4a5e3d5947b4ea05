"""Give every HTTP request an id, a log line, and a time limit for the upstreams it asks."""

import logging
import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from core.observe import metrics, tracing
from core.observe.logs import MAX_PATH_LENGTH, request_line
from core.upstreams import answer_within

UPSTREAMS_ANSWER_S = 6.0  # for all upstream calls of a request together

Handler = Callable[[HttpRequest], HttpResponse]


class RequestLogMiddleware:
    """Give each request an id and one log line. The query string is not logged, because it may hold a token."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begins_s = time.perf_counter()
        request_id = tracing.begin(request.META.get("HTTP_X_REQUEST_ID"))
        with answer_within(UPSTREAMS_ANSWER_S):
            response = self.get_response(request)
        response["X-Request-Id"] = request_id
        seconds = time.perf_counter() - begins_s
        metrics.observe(request, response, seconds)
        took_ms = round(seconds * 1000, 1)
        status, path = response.status_code, request.path[:MAX_PATH_LENGTH]
        level = logging.WARNING if status >= 500 else logging.INFO
        context = structlog.contextvars.get_contextvars()  # the request's id, its caller, the order it names
        request_line(level, **context, method=request.method, path=path, http_status=status, took_ms=took_ms)
        return response
