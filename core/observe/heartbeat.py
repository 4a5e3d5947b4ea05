"""Find out whether background work is being done.

Every 10 s beat sends each queue a task, the heartbeat, whose only work is to write the time into Valkey.
"""

from collections.abc import Iterator
from typing import Any

import redis
from celery import current_app
from kombu.exceptions import OperationalError

from core import times
from core.cache import valkey
from core.observe import metrics
from core.observe.metrics import Sample
from core.queues import QUEUES

LATE_S = 60
KEPT_S = 7 * 24 * 3600
_KEY = "spms:heartbeat:"
BrokerDown = (redis.RedisError, OperationalError, OSError)


def record(queue: str, now_s: float) -> None:
    valkey.client().set(_KEY + queue, now_s, ex=KEPT_S)


def ages_s(now_s: float) -> dict[str, float | None]:
    """Return the seconds since the last heartbeat, by queue; None if there was none for a week."""
    moments = valkey.client().mget([_KEY + queue for queue in QUEUES])
    return {
        queue: max(0.0, now_s - float(moment)) if moment else None
        for queue, moment in zip(QUEUES, moments, strict=True)
    }


def queue_depths() -> dict[str, int]:
    """Return how many tasks wait for a worker, by queue.

    :raises BrokerDown: one of these exceptions: the broker does not answer.
    """
    # Asked through Celery, because only Celery understands all forms of a broker's address.
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return {queue: int(channel.client.llen(queue)) for queue in QUEUES}


def failures() -> dict[str, str]:
    """Return the queues whose worker has been silent for ``LATE_S``; none while Valkey, which would know, is down."""
    try:
        ages = ages_s(times.now().timestamp())
    except BrokerDown:
        return {}
    return {f"queue {queue}": "its worker does not work" for queue, age in ages.items() if not is_alive(age)}


def is_alive(age_s: float | None) -> bool:
    """Tell whether a heartbeat of this age means that the worker runs."""
    return age_s is not None and age_s < LATE_S


@metrics.register_samples
def samples() -> Iterator[Sample]:
    for queue, depth in queue_depths().items():
        yield "spms_queue_depth", "Tasks that wait for a worker", {"queue": queue}, depth
    for queue, age in ages_s(times.now().timestamp()).items():
        if age is not None:
            yield "spms_heartbeat_age_seconds", "Since a worker did what beat asked for", {"queue": queue}, age
    yield "spms_clock_ahead_seconds", "This host's clock before the database's", {}, times.ahead_s()
