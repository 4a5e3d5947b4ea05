"""What happens to every HTTP request, whoever answers it."""

import time
from collections.abc import Callable

import structlog
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponse

from core.api import bodies
from core.api.envelope import error_response
from core.errors import BodyTooLarge, ServiceUnavailable
from core.observe import metrics, tracing
from core.observe.logs import LONGEST_PATH
from core.ops import proxies
from core.upstreams import answer_within

UPSTREAMS_ANSWER_S = 7.0  # all of them together: the caller has an answer within 8 s

log = structlog.get_logger("core.request")

Handler = Callable[[HttpRequest], HttpResponse]


class RequestLogMiddleware:
    """One id and one log line a request. The query string stays out of the log: tokens travel in it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = tracing.begin(request.headers.get("X-Request-Id"))
        proxies.look(request)
        with answer_within(UPSTREAMS_ANSWER_S):
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
    """Refuse a body by its announced length, before anything reads it, or because the front door had no room for it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _announced(request) > bodies.body_limit(request.path_info, request.content_type or ""):
            return error_response(BodyTooLarge())
        body = request.META.get("asgi.scope", {}).get("body")
        if body and body.has_lost_room:
            return error_response(ServiceUnavailable(headers={"Retry-After": str(bodies.RETRY_AFTER_S)}))
        return self.get_response(request)


def _announced(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        return 0  # Django takes it so, too
    return int(length[:20])  # Python refuses to read endless numbers


class BackOfficeMessageMiddleware(MessageMiddleware):
    """Django's messages, for the back office alone: nobody would read those of an API call."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith("/admin/"):
            super().process_request(request)
