"""Send unforeseen errors to Sentry, where ``SENTRY_DSN`` is set."""

from importlib import import_module
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.observe.logs import without_secrets


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
    # Neither bodies, users, the variables of functions nor what came before: they hold names, phones, tokens, sessions.
    sentry_sdk.init(
        settings.SENTRY_DSN,
        release=settings.VERSION,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_prepare,
    )


def _prepare(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Name the request and the order, by which the log lines are found; leave out secrets, headers and query."""
    event["tags"] = {**event.get("tags", {}), **structlog.contextvars.get_contextvars()}
    for error in event.get("exception", {}).get("values", []):
        error["value"] = without_secrets(error.get("value") or "")
    if "logentry" in event:
        event["logentry"] = {"message": without_secrets(event["logentry"].get("message") or "")}
    request = event.get("request", {})
    event["request"] = {name: request[name] for name in ("method", "url") if name in request}
    return event
