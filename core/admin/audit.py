"""Who changed what: what django-auditlog must be told about our requests and our ways to write.

Which models it watches stands in ``backoffice.audit``. Its own middleware connects a signal for each
request and loads the session's user; here a request costs one context variable, and only a change asks who it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from core.api.request import client_ip

MASK = "••••••"
_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


class AuditMiddleware:
    """Keep the request at hand for the entries of the changes it makes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def name_actor(instance: Any, **_: Any) -> None:
    """Write into a new entry who makes the present request, and from where; a task leaves both empty."""
    request = _request.get()
    if request is None or instance.pk:
        return
    # A model in the back office, a ``Principal`` in the API, which REST framework puts here as well.
    user = getattr(request, "user", None)
    if instance.actor_id is None and user is not None and user.is_authenticated:
        instance.actor_id = user.pk
    instance.remote_addr = client_ip(request) or None


def mask(value: str) -> str:
    """Show that a secret was there, and nothing of it: no length, no part."""
    return "" if value in {"", "None"} else MASK


def change_note(row: Model, what: str, before: str, after: str) -> None:
    """Record a change of ``row`` that is none of its fields, in words."""
    from auditlog.models import LogEntry

    LogEntry.objects.log_create(row, action=LogEntry.Action.UPDATE, changes={what: [before, after]})


@contextmanager
def audited(rows: QuerySet[Any]) -> Iterator[None]:
    """Record what the block changes in ``rows``, for ``queryset.update()``, which sends no signals.

    Reads the rows before and after, so keep them few. What is deleted or created meanwhile is not looked at.
    """
    from auditlog.diff import model_instance_diff
    from auditlog.models import LogEntry

    with transaction.atomic():
        before = {row.pk: row for row in rows.order_by("pk")}
        yield
        for row in rows.model._default_manager.filter(pk__in=before).order_by("pk"):
            changes = model_instance_diff(before[row.pk], row, use_json_for_changes=True)
            LogEntry.objects.log_create(row, action=LogEntry.Action.UPDATE, changes=changes)
