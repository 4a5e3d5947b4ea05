"""Template tags: the changes of a record, and the chapter of the handbook for a page."""

from typing import Any

from auditlog.models import LogEntry
from django import template

from backoffice.audit import KINDS, Change, changes_of
from backoffice.help import chapter_of

register = template.Library()
NEWEST = 50


@register.simple_tag
def audit_entries(record: Any) -> list[LogEntry]:
    """Return the newest recorded changes of one record."""
    if record is None:
        return []
    return list(LogEntry.objects.get_for_object(record).select_related("actor", "content_type")[:NEWEST])


@register.simple_tag(takes_context=True)
def help_chapter(context: dict[str, Any]) -> str:
    """Return the chapter of the handbook for the present page."""
    request = context["request"]
    return chapter_of(request.path, request.GET.get("work", ""))


@register.filter
def kind(entry: LogEntry) -> str:
    return KINDS.get(entry.action, "查看")


@register.filter
def changes(entry: LogEntry) -> list[Change]:
    return list(changes_of(entry))
