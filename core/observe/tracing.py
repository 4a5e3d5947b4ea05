"""Carry a request's id, and what it deals with, into its answer, its log lines, and the Celery tasks it starts."""

import random
import re
from typing import Any

import structlog
from celery.signals import before_task_publish, task_prerun

from core import times
from core.observe import metrics

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
