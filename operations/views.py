"""What machines ask: whether this process lives, can serve, lacks anything; and its metrics."""

import hmac

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST

from core.api.envelope import error_response, ok
from core.api.request import is_from_here
from core.api.routing import not_found
from core.errors import DomainError
from core.observe import heartbeat, metrics
from operations import health

log = structlog.get_logger("operations")


def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as the process runs (liveness), and say to the doctor how many proxies were on the way."""
    answer = ok("ok")
    answer["X-Proxies"] = str(sum(map(bool, request.META.get("HTTP_X_FORWARDED_FOR", "").split(","))))
    return answer


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process can serve, that is, if its database answers, else 503 (readiness; for balancers)."""
    return _health(health.readiness())


def whole(request: HttpRequest) -> HttpResponse:
    """Answer 200 if nothing is missing, workers and Valkey too, else 503 (for people and alerts, not for balancers)."""
    return _health(health.failures(health.CHECKS) | heartbeat.failures())


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
    if settings.DEPLOYED:  # behind a proxy on the same machine every request seems to come from it
        return False
    return is_from_here(request)
