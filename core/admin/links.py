"""Links from one page of the back office to another record's, for whoever may open that page."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.audit import present_request


def may_open(model: type[Model]) -> bool:
    """Tell whether the user of the present request may open the pages of a model's records."""
    request = present_request()  # the columns of a list are not passed it
    return request is not None and admin.site._registry[model].has_view_permission(request)


def page_link(row: Model, text: Any) -> SafeString:
    """Return ``text`` as a link to the page of ``row``, or alone for users whom that page would refuse."""
    if not may_open(type(row)):
        return format_html("{}", text)
    page = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="text-link underline" href="{}">{}</a>', page, text)
