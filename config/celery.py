"""The Celery application: `celery -A config worker` and `celery -A config beat`."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("config")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(loglevel: int, **_: Any) -> None:
    """Keep the logging of Django's settings. Without a receiver Celery adds handlers that write plain lines."""
    logging.getLogger().setLevel(loglevel)
