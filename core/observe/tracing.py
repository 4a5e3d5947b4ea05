"""Give each request an id, a log line, and a time limit for the upstreams it asks.

The id, and what the request deals with, is carried into its answer, its log lines, and the Celery tasks it starts.
"""

import logging
import random
import re
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery.signals import before_task_publish, task_prerun
from django.http import HttpRequest, HttpResponse

from core import times
from core.observe import metrics
from core.observe.logs import MAX_PATH_LENGTH, request_line
from core.upstreams import answer_within

UPSTREAMS_ANSWER_S = 6.0  # for all upstream calls of a request together
_ACCEPTED = re.compile(r"[0-9A-Za-z_-]{8,64}")


def begin(proxy_id: str | None) -> str:
    """Start a unit of work and return its id: the one that a proxy sent if it is well-formed, else a new one."""
    # Not the kernel's random bytes: an id is no secret, and they took 2 % of a call.
    request_id = proxy_id if proxy_id and _ACCEPTED.fullmatch(proxy_id) else f"{random.getrandbits(80):020x}"
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current() -> str:
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def about(**context: str) -> None:
    """Name what the present request or task deals with: ``caller`` (a user's unid), ``order`` (its number).

    All later log lines carry it, and those of the tasks that are sent. Never a phone, a name, an openid or a token.
    """
    structlog.contextvars.bind_contextvars(**context)


@before_task_publish.connect
def _send_along(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and current():
        headers["request_id"] = current()
        headers["about"] = structlog.contextvars.get_contextvars()
    if headers is not None:
        headers["sent_at"] = times.now().timestamp()


@task_prerun.connect
def _take_over(task: Any = None, **_: Any) -> None:
    begin(getattr(task.request, "request_id", None))
    sent = getattr(task.request, "about", None) or {}
    if sent_at := getattr(task.request, "sent_at", None):
        queue = (task.request.delivery_info or {}).get("routing_key", "")
        metrics.TASK_WAITS.labels(queue).observe(max(0, times.now().timestamp() - sent_at))
    about(**{name: sent[name] for name in ("caller", "order") if name in sent}, task=task.name)


class RequestLogMiddleware:
    """Give each request an id and one log line. The query string is not logged, because it may hold a token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begins_s = time.perf_counter()
        request_id = begin(request.META.get("HTTP_X_REQUEST_ID"))
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
