"""The Celery application: `celery -A config worker` and `celery -A config beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
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
