"""Is the background work being done? Beat asks every 10 s for a sign of life, which a worker leaves in Valkey."""

import time
from collections.abc import Iterator
from typing import Any

import redis
from celery import current_app
from kombu.exceptions import OperationalError

from core import doctor, metrics, valkey
from core.doctor import Finding
from core.metrics import Sample

LATE_S = 60
KEPT_S = 7 * 24 * 3600
_KEY = "spms:heartbeat"
BrokerDown = (redis.RedisError, OperationalError, OSError)


def pulse_leave(now_s: float) -> None:
    """Note that beat and a worker were alive at ``now_s`` (seconds since 1970)."""
    valkey.client().set(_KEY, now_s, ex=KEPT_S)


def pulse_age_s(now_s: float) -> float | None:
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
    age_s, waiting = pulse_age_s(time.time()), queue_depth()
    if age_s is not None and age_s < LATE_S:
        yield Finding(True, f"Worker and beat were alive {age_s:.0f} s ago; {waiting} task(s) wait")
        return
    seen = "never" if age_s is None else f"{age_s:.0f} s ago"
    remedy = (
        "Start the worker: `celery -A config worker`." if waiting else "Start beat and worker: `celery -A config beat`."
    )
    remedy += " If they have just started, look again in ten seconds."
    yield Finding(False, f"Worker and beat were last seen {seen}; {waiting} task(s) wait", remedy)


@metrics.register
def samples() -> Iterator[Sample]:
    yield "spms_queue_depth", "Tasks that wait for a worker", {}, queue_depth()
    age_s = pulse_age_s(time.time())
    if age_s is not None:
        yield "spms_heartbeat_age_seconds", "Since a worker last did what beat asked for", {}, age_s
