"""Answers for requests that no view took, in the envelope; ``core.admin.pages`` makes pages of them for people."""

import sys
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse

from core.api.envelope import error_response
from core.api.handler import ENGINE_DOWN, translate
from core.errors import DomainError, InternalError, ServiceUnavailable, UnknownAddress
from core.observe import tracing

log = structlog.get_logger("core")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_response(UnknownAddress())


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)):
        return error_response(translate(exception))
    return error_response(DomainError("请求格式错误", status=400, http_status=400))


def server_error(request: HttpRequest, *_: Any) -> HttpResponse:
    # Django calls this while it handles the exception.
    if isinstance(sys.exception(), ENGINE_DOWN):
        return error_response(ServiceUnavailable())
    return error_response(InternalError(tracing.current()))


def alive(request: HttpRequest) -> HttpResponse:
    """Liveness: the process answers."""
    return JsonResponse({"status": 200, "state": True, "msg": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """Readiness: the engines answer and the tables are up to date."""
    from core.ops.health import failures

    found = failures()
    if found:
        log.warning("not ready", **found)
        # Everybody may ask: where the engines are and as whom we log in stays in the log.
        public = {name: why if name == "migrations" else why.partition(":")[0] for name, why in found.items()}
        return error_response(DomainError("尚未就绪", status=503, http_status=503, checks=public))
    return JsonResponse({"status": 200, "state": True, "msg": "ok"})
