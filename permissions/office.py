"""The rights that count in the back office, as its pages name them (``OfficeAdmin.rights``).

The form of a role and the table 谁能做什么 list these alone. Django makes four rights for each model, and many of them
open nothing: nobody adds an order by hand.
"""

from typing import Any, NamedTuple

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import QuerySet


class OfficeRight(NamedTuple):
    """A right with its names in Chinese: of the app, of the records and of what may be done with them."""

    permission: Permission
    app: str
    records: str
    verb: str


def offered_rights() -> QuerySet[Permission]:
    """Return the permissions that open something in the back office."""
    names = _labels()
    return (
        Permission.objects.select_related("content_type")
        .filter(content_type__app_label__in={app for app, _ in names}, codename__in={codename for _, codename in names})
        .order_by("content_type__app_label", "content_type__model", "pk")
    )


def office_rights() -> list[OfficeRight]:
    """Return all rights, with one query, in the order of the pages and of the rights on each page."""
    by_name = {(right.content_type.app_label, right.codename): right for right in offered_rights()}
    return [OfficeRight(by_name[name], *labels) for name, labels in _labels().items() if name in by_name]


def _labels() -> dict[tuple[str, str], tuple[str, str, str]]:
    """Map app label and codename of each right to its three names."""
    return {
        (model._meta.app_label, f"{verb}_{model._meta.model_name}"): (
            str(apps.get_app_config(model._meta.app_label).verbose_name),
            str(model._meta.verbose_name),
            label,
        )
        for model, page in _pages()
        for verb, label in page.rights.items()
    }


def _pages() -> list[tuple[Any, Any]]:
    pages = sorted(admin.site._registry.items(), key=lambda item: item[0]._meta.app_label)
    return [(model, page) for model, page in pages if hasattr(page, "rights")]
