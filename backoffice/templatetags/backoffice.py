"""Template tags: the changes of a record, and the chapter of the handbook for a page."""

from typing import Any

from auditlog.models import LogEntry
from django import template

from backoffice.audit import KINDS, Change, changes_of

register = template.Library()
MAX_ENTRIES = 50
# Chapters of the staff handbook, by the page's address below /admin/. The longest beginning of the address counts.
CHAPTERS = {
    "": "home",
    "accounts/": "roles",
    "attendance/": "attendance",
    "dormitory/": "dormitory",
    "auditlog/": "who",
    "accounts/loginlog/": "who",
    "classroom/": "roles",
    "core/export/": "import",
    "daily/": "reconcile",
    "login/": "login",
    "password_change/": "login",
    "second-factor/": "login",
    "payments/": "reconcile",
    "payments/refund/": "refund",
    "permissions/": "roles",
    "shop/order/": "ship",
    "shop/courier/": "ship",
    "shop/product/": "products",
    "shop/category/": "products",
    "students/": "students",
    "students/transferrun/": "import",
}
REFUND_LISTS = {"returns", "refunds"}


@register.simple_tag
def audit_entries(record: Any) -> list[LogEntry]:
    """Return the newest recorded changes of one record."""
    if record is None:
        return []
    return list(LogEntry.objects.get_for_object(record).select_related("actor", "content_type")[:MAX_ENTRIES])


def chapter_of(path: str, work: str = "") -> str:
    """Return the chapter's name for an address below ``/admin/`` and, of a list of orders, the work list."""
    if work in REFUND_LISTS:
        return "refund"
    below = path.removeprefix("/admin/")
    return CHAPTERS[max((begin for begin in CHAPTERS if below.startswith(begin)), key=len)]


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
