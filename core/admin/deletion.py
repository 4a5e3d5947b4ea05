"""The action "delete selected" of every list: Django's, with a limit, and the password before it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import actions
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from core.admin.password import require_password

MAX_DELETED = 500  # Django's page has a hidden field for each row, and Django reads 1,000 fields of a request


@admin.action(permissions=["delete"], description="删除所选的%(verbose_name_plural)s")
def delete_selected(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
    require_password(request)
    if rows.count() > MAX_DELETED:
        messages.error(request, f"一次最多删除 {MAX_DELETED} 条，请先筛选，或分批进行")
        return None
    return actions.delete_selected(page, request, rows)
