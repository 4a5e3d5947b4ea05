"""Answers that belong to no app: health, metrics, and what Django calls for a request that no view answers.

They are envelopes; for people in the back office ``core.admin.error_pages`` turns them into pages.
"""

import hmac
import sys
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST

from core.api.envelope import error_response, ok
from core.api.handler import engine_is_down
from core.api.request import is_from_here
from core.errors import BodyTooLarge, DomainError, InternalError, ServiceUnavailable, UnknownAddress
from core.observe import metrics, tracing
from core.ops import health, heartbeat

log = structlog.get_logger("core")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_response(UnknownAddress())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)):
        return error_response(BodyTooLarge())
    return error_response(DomainError("请求格式错误", status=400, http_status=400))


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    # Django calls this inside its `except` block, so the exception is still the current one.
    if engine_is_down(sys.exception()):
        return error_response(ServiceUnavailable())
    return error_response(InternalError(tracing.current()))


def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process runs (liveness)."""
    return ok("ok")


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process can serve, that is, if its database answers, else 503 (readiness; for balancers)."""
    return _health(health.failures(health.NEEDED))


def whole(request: HttpRequest) -> HttpResponse:
    """Answer 200 if nothing is missing, workers and Valkey too, else 503 (for people and alerts, not for balancers)."""
    return _health(health.failures() | heartbeat.failures())


def _health(faults: dict[str, str]) -> HttpResponse:
    if faults:
        log.warning("not healthy", **faults)
        # Strangers may ask, so the engines' addresses and our user name only go into the log.
        public = {name: why if name == "migrations" else why.partition(":")[0] for name, why in faults.items()}
        return error_response(DomainError("尚未就绪", status=503, http_status=503, checks=public))
    return ok("ok")


def figures(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus' request for ``/metrics``; any other caller gets the 404 of an unknown path."""
    if not _may_read_figures(request):
        return not_found(request)
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def _may_read_figures(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    if settings.PRODUCTION:  # behind a proxy on the same machine every request seems to come from it
        return False
    return is_from_here(request)
