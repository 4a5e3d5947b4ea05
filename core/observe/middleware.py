"""What happens to every HTTP request, whoever answers it."""

import time
from collections.abc import Callable

import structlog
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponse

from core.api.envelope import error_response
from core.errors import DomainError
from core.observe import metrics, tracing
from core.observe.logs import LONGEST_PATH
from core.ops import proxies

log = structlog.get_logger("core.request")

Handler = Callable[[HttpRequest], HttpResponse]
KIB = 1024
# Uploads may hold a 5 MB picture and its form; the admin imports spreadsheets.
MULTIPART_LIMIT = 32 * KIB * KIB
OTHER_LIMIT = 1 * KIB * KIB


def body_limit(content_type: str) -> int:
    """Bytes that a body of this type may have."""
    return MULTIPART_LIMIT if content_type.lower().startswith("multipart/form-data") else OTHER_LIMIT


class RequestLogMiddleware:
    """One id and one log line a request. The query string stays out of the log: tokens travel in it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = tracing.begin(request.headers.get("X-Request-Id"))
        proxies.look(request)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        seconds = time.perf_counter() - started
        metrics.observe(request, response, seconds)
        took_ms = round(seconds * 1000, 1)
        write = log.warning if response.status_code >= 500 else log.info
        path = request.path[:LONGEST_PATH]
        write("request", method=request.method, path=path, http_status=response.status_code, took_ms=took_ms)
        return response


class BodyLimitMiddleware:
    """Refuse a body by its announced length, before anything reads it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        limit = body_limit(request.content_type or "")
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > limit:
            return error_response(DomainError("请求内容过大", status=413, http_status=413))
        return self.get_response(request)


class BackOfficeMessageMiddleware(MessageMiddleware):
    """Django's messages, for the back office alone: nobody would read those of an API call."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith("/admin/"):
            super().process_request(request)
