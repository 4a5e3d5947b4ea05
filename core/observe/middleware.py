"""Give every HTTP request an id, a log line, and a time limit for the upstreams it asks."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

import redis
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.cache import valkey
from core.observe import metrics, tracing
from core.observe.logs import MAX_PATH_LENGTH, request_line
from core.upstreams import answer_within

UPSTREAMS_ANSWER_S = 6.0  # for all upstream calls of a request together
FORWARDED_KEY = "spms:forwarded"  # of the latest misfit: the number of addresses in its header, and where it came from
_KEPT_S = 24 * 3600
_QUIET_S = 60
_noted_at = float("-inf")

Handler = Callable[[HttpRequest], HttpResponse]


class RequestLogMiddleware:
    """Give each request an id and one log line. The query string is not logged, because it may hold a token."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begins_s = time.perf_counter()
        request_id = tracing.begin(request.META.get("HTTP_X_REQUEST_ID"))
        _look_for_proxies(request)
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


def _look_for_proxies(request: HttpRequest) -> None:
    """Note a request that has passed a proxy though the settings name none, or fewer proxies than they name.

    ``operations.servers`` reports the latest one.
    """
    global _noted_at
    forwarded, sender = request.META.get("HTTP_X_FORWARDED_FOR"), request.META.get("REMOTE_ADDR")
    if not forwarded or not sender or hops_fit(hops := forwarded.count(",") + 1):
        return
    if time.monotonic() - _noted_at < _QUIET_S:
        return
    _noted_at = time.monotonic()
    with suppress(redis.RedisError):  # it is only a hint
        valkey.client().set(FORWARDED_KEY, f"{hops} {sender}", ex=_KEPT_S)


def hops_fit(hops: int) -> bool:
    # A client can send this header itself, which only makes it longer. So a header that is too long proves nothing,
    # unless there should be no header at all.
    return settings.TRUSTED_PROXIES > 0 and hops >= settings.TRUSTED_PROXIES
