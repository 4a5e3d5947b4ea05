"""The page ``/metrics``, and who may read it."""

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST

from core.api.request import is_from_here
from core.api.routing import not_found
from core.observe import metrics


def metrics_page(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus' request for ``/metrics``; any other caller gets the 404 of an unknown path."""
    if not _may_read(request):
        return not_found(request)
    return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


def _may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    if settings.DEPLOYED:  # behind a proxy on the same machine every request seems to come from it
        return False
    return is_from_here(request)
