"""The Celery application: `celery -A config worker` and `celery -A config beat`."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import beat_init, before_task_publish, heartbeat_sent, setup_logging
from kombu import Queue

from core.queues import QUEUES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_routes=["core.queues.queue_of"],
    task_queues=[Queue(name) for name in QUEUES],  # a worker started without --queues serves all of them
    task_default_queue="now",
    task_ignore_result=True,
    task_acks_late=True,
    task_time_limit=600,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    timezone="Asia/Shanghai",
)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Keep the logging of Django's settings, with their level: a receiver is all it takes.

    Without one Celery adds handlers that write plain lines. ``--loglevel`` changes nothing.
    """


@heartbeat_sent.connect
def _say_alive(**_: Any) -> None:
    """Say every few seconds that the main loop of a worker or of beat goes on: what listens replaces a silent one.

    That is systemd (``WatchdogSec``), or the health check of a container, which looks at the age of a file.
    """
    with suppress(OSError):
        if address := os.environ.get("NOTIFY_SOCKET"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
                systemd.sendto(b"WATCHDOG=1", address)
        elif file := os.environ.get("ALIVE_FILE"):
            Path(file).touch()


@beat_init.connect
def _say_alive_in_beat(**_: Any) -> None:
    before_task_publish.connect(_say_alive)  # it sends a task every 2 s
