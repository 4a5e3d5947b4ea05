"""Send unforeseen errors to Sentry, where ``SENTRY_DSN`` is set."""

from importlib import import_module
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def begin() -> None:
    """Start Sentry's client in this process.

    :raises ImproperlyConfigured: SENTRY_DSN is set and the client is not installed.
    """
    if not settings.SENTRY_DSN:
        return
    try:
        sentry_sdk = import_module("sentry_sdk")  # optional: requirements-sentry.txt brings it
    except ImportError:
        raise ImproperlyConfigured("SENTRY_DSN needs requirements-sentry.txt.") from None
    # Neither bodies, users, nor the variables of functions: they hold names, phones and tokens.
    sentry_sdk.init(
        settings.SENTRY_DSN,
        release=settings.VERSION,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        before_send=_prepare,
    )


def _prepare(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Name the request and the order, by which the log lines are found; leave out headers and query."""
    event["tags"] = {**event.get("tags", {}), **structlog.contextvars.get_contextvars()}
    request = event.get("request", {})
    event["request"] = {name: request[name] for name in ("method", "url") if name in request}
    return event
