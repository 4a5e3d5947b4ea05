"""Is the background work being done? Beat asks every 10 s for a sign of life, which a worker leaves in Valkey."""

import time
from collections.abc import Iterator
from typing import Any

import redis
from celery import current_app
from kombu.exceptions import OperationalError

from core.cache import valkey
from core.observe import metrics
from core.observe.metrics import Sample
from core.ops import doctor
from core.ops.doctor import Finding

LATE_S = 60
KEPT_S = 7 * 24 * 3600
_KEY = "spms:heartbeat"
BrokerDown = (redis.RedisError, OperationalError, OSError)


def record(now_s: float) -> None:
    """Note that beat and a worker were alive at ``now_s`` (seconds since 1970)."""
    valkey.client().set(_KEY, now_s, ex=KEPT_S)


def age_s(now_s: float) -> float | None:
    """Seconds since the last sign of life; None if there was none for a week."""
    found = valkey.client().get(_KEY)
    return max(0.0, now_s - float(found)) if found else None


def queue_depth() -> int:
    """How many tasks wait for a worker.

    :raises: one of ``BrokerDown`` when the broker does not answer.
    """
    # Through Celery, which knows the broker's address in all its forms.
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return int(channel.client.llen(current_app.conf.task_default_queue))


@doctor.register
def background_work() -> Iterator[Finding]:
    seconds, waiting = age_s(time.time()), queue_depth()
    if seconds is not None and seconds < LATE_S:
        yield Finding(True, f"Worker and beat were alive {seconds:.0f} s ago; {waiting} task(s) wait")
        return
    seen = "never" if seconds is None else f"{seconds:.0f} s ago"
    remedy = (
        "Start the worker: `celery -A config worker`." if waiting else "Start beat and worker: `celery -A config beat`."
    )
    remedy += " If they have just started, look again in ten seconds."
    yield Finding(False, f"Worker and beat were last seen {seen}; {waiting} task(s) wait", remedy)


@metrics.register
def samples() -> Iterator[Sample]:
    yield "spms_queue_depth", "Tasks that wait for a worker", {}, queue_depth()
    seconds = age_s(time.time())
    if seconds is not None:
        yield "spms_heartbeat_age_seconds", "Since a worker last did what beat asked for", {}, seconds
