"""Metrics for Prometheus at ``/metrics``.

Every process counts its requests in a file, and a scrape adds the files up (prometheus_client's multiprocess mode).
What the database and Valkey know is read at the scrape, by the functions that apps register here.
"""

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import structlog
from celery.signals import task_failure
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse

if settings.METRICS_DIR:  # a command's figures go nowhere, and it has to work with a full disk, too
    settings.METRICS_DIR.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.METRICS_DIR)  # prometheus_client reads it when imported

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from core.registers import Registers

log = structlog.get_logger("core.observe.metrics")

Sample = tuple[str, str, dict[str, str], float]
"""Name, help text, labels, value."""

REQUESTS = Counter("spms_requests_total", "Requests by route and outcome", ["route", "outcome"])
SECONDS = Histogram("spms_request_seconds", "Time to answer", ["route"], buckets=(0.005, 0.02, 0.1, 0.5, 2, 5))

_sources = Registers[Callable[[], Iterator[Sample]]]()


def register_samples(source: Callable[[], Iterator[Sample]]) -> Callable[[], Iterator[Sample]]:
    """Register a function that returns samples; it is called at each scrape."""
    _sources[f"{source.__module__}.{source.__name__}"] = source
    return source


TASKS_FAILED = Counter("spms_task_failures_total", "Tasks that ended by an error", ["task"])
TASK_WAITS = Histogram(
    "spms_task_wait_seconds", "From sending a task to its begin", ["queue"], buckets=(0.1, 1, 5, 15, 60, 300)
)
POOL_WAITS = Counter("spms_pool_waits_total", "Requests that waited for a database connection")
POOL_WAIT_SECONDS = Counter("spms_pool_wait_seconds_total", "For how long they waited")


def _observe_pool() -> None:
    # Each process has a pool, and a scrape sees only one of them, so each counts for itself.
    pool: Any = getattr(connection, "pool", None)
    stats = pool.pop_stats() if pool else {}
    if "requests_queued" in stats:
        POOL_WAITS.inc(stats["requests_queued"])
        POOL_WAIT_SECONDS.inc(stats.get("requests_wait_ms", 0) / 1000)


@task_failure.connect
def _task_failed(sender: Any = None, **_: Any) -> None:
    TASKS_FAILED.labels(sender.name).inc()


@register_samples
def version() -> Iterator[Sample]:
    yield "spms_version", "1, with the release that answers", {"version": settings.VERSION}, 1


def observe(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    match = request.resolver_match
    route = f"/{match.route}" if match else "unknown"
    _requests(route, _outcome(response)).inc()
    _seconds(route).observe(seconds)
    _observe_pool()


# The library takes a lock and makes texts of the labels each time; there are few of them, because each is a route.
_requests = cache(REQUESTS.labels)
_seconds = cache(SECONDS.labels)


def _outcome(response: HttpResponse) -> str:
    if response.status_code >= 400:
        return str(response.status_code)
    body = getattr(response, "data", None)
    if isinstance(body, dict) and body.get("state") is False:
        return f"refused_{body.get('status')}"
    return "ok"


class _Sources:
    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for source in _sources.values():
            try:
                samples = list(source())
            except Exception:  # for example an engine is down: show the other sources' samples
                log.warning("figures are missing", source=source.__name__, exc_info=True)
                continue
            for name, text, labels, value in samples:
                family = families.setdefault(name, GaugeMetricFamily(name, text, labels=list(labels)))
                family.add_metric(list(labels.values()), value)
        yield from families.values()


def exposition() -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    registry.register(_Sources())
    return generate_latest(registry)
